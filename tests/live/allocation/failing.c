/* SPDX-License-Identifier: MIT */
/*
 * Linked with --wrap for malloc, calloc, realloc, strdup and free: the calls of the library's own
 * code come here, those of the C library and of libbpf do not.
 */
#include "failing.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

#define SLOTS (1u << 18)
#define TOMB  ((void *)1)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *slots[SLOTS]; /* open addressing */
static size_t blocks;
static unsigned long counted;
static unsigned long fail_at; /* 0: never */
static enum failing_mode fail_mode;
static bool failed;

void failing_arm(unsigned long number, enum failing_mode mode)
{
	pthread_mutex_lock(&lock);
	counted = 0;
	fail_at = number;
	fail_mode = mode;
	failed = false;
	pthread_mutex_unlock(&lock);
}

bool failing_disarm(void)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = failed;
	fail_at = 0;
	pthread_mutex_unlock(&lock);
	return any;
}

size_t failing_blocks(void)
{
	size_t count;

	pthread_mutex_lock(&lock);
	count = blocks;
	pthread_mutex_unlock(&lock);
	return count;
}

static bool fails(void)
{
	bool now;

	pthread_mutex_lock(&lock);
	counted++;
	now = fail_at && (counted == fail_at || (fail_mode == FAILING_FROM && counted > fail_at));
	failed = failed || now;
	pthread_mutex_unlock(&lock);
	if (now)
		errno = ENOMEM;
	return now;
}

static size_t place(const void *memory)
{
	return (size_t)((uintptr_t)memory >> 4) * 0x9e3779b1u % SLOTS;
}

static void *note(void *memory)
{
	size_t at = place(memory);

	if (!memory)
		return NULL;
	pthread_mutex_lock(&lock);
	if (blocks > SLOTS / 2)
		abort();
	while (slots[at] && slots[at] != TOMB)
		at = (at + 1) % SLOTS;
	slots[at] = memory;
	blocks++;
	pthread_mutex_unlock(&lock);
	return memory;
}

/* Blocks that the C library allocated are not in the table, and are no business of ours. */
static void forget(const void *memory)
{
	size_t at = place(memory);

	if (!memory)
		return;
	pthread_mutex_lock(&lock);
	for (size_t steps = 0; slots[at] && steps < SLOTS; steps++) {
		if (slots[at] == memory) {
			slots[at] = TOMB;
			blocks--;
			break;
		}
		at = (at + 1) % SLOTS;
	}
	pthread_mutex_unlock(&lock);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	void *memory;

	if (size && count > SIZE_MAX / size)
		return NULL;
	memory = __wrap_malloc(count * size);
	return memory ? memset(memory, 0, count * size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
	void *grown;

	if (fails())
		return NULL;
	/* Before the block is free for another thread to get. */
	forget(memory);
	grown = __real_realloc(memory, size);
	if (!grown && memory)
		note(memory);
	return note(grown);
}

char *__wrap_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = __wrap_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void __wrap_free(void *memory)
{
	forget(memory);
	__real_free(memory);
}
