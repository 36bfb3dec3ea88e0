/* SPDX-License-Identifier: MIT */
/*
 * The golden records as 32-bit x86 code writes them, to standard output: with no library, since a
 * machine that builds this need not have a 32-bit one. System calls are Linux's for i386.
 */
#include "golden_records.h"

#include <string.h>

_Static_assert(sizeof(void *) == 4, "this is about 32-bit code");

#define CALL_EXIT	1
#define CALL_WRITE	4
#define STANDARD_OUTPUT 1

void _start(void);

void *memchr(const void *memory, int byte, size_t size)
{
	const unsigned char *at = memory;

	for (; size; size--, at++)
		if (*at == (unsigned char)byte)
			return (void *)at;
	return NULL;
}

int memcmp(const void *left, const void *right, size_t size)
{
	const unsigned char *a = left, *b = right;

	for (; size; size--, a++, b++)
		if (*a != *b)
			return *a < *b ? -1 : 1;
	return 0;
}

void *memmove(void *to, const void *from, size_t size)
{
	unsigned char *target = to;
	const unsigned char *source = from;

	if (target < source)
		while (size--)
			*target++ = *source++;
	else
		while (size--)
			target[size] = source[size];
	return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
	return memmove(to, from, size);
}

void *memset(void *to, int byte, size_t size)
{
	for (unsigned char *at = to; size; size--)
		*at++ = (unsigned char)byte;
	return to;
}

static long call(long number, long first, long second, long third)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "a"(number), "b"(first), "c"(second), "d"(third)
			 : "memory");
	return result;
}

static void write_whole(const uint8_t *bytes, size_t size)
{
	while (size) {
		long written = call(CALL_WRITE, STANDARD_OUTPUT, (long)bytes, (long)size);
		if (written <= 0)
			call(CALL_EXIT, 1, 0, 0);
		bytes += written;
		size -= (size_t)written;
	}
}

/* The stack need not be aligned: nothing here uses vector registers. */
void _start(void)
{
	static uint8_t bytes[GOLDEN_SIZE_MAX];

	for (size_t i = 0; golden_names[i]; i++)
		write_whole(bytes, golden_make(i, bytes));
	call(CALL_EXIT, 0, 0, 0);
}
