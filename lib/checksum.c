/* SPDX-License-Identifier: MIT */
#include "checksum.h"

#include <pthread.h>
#include <string.h>

/* table[n][byte]: what a byte does to the checksum when n zero bytes follow it. */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t value = byte;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
		table[0][byte] = value;
	}
	for (uint32_t byte = 0; byte < 256; byte++)
		for (int n = 1; n < 8; n++)
			table[n][byte] =
			    table[n - 1][byte] >> 8 ^ table[0][table[n - 1][byte] & 0xff];
}

uint32_t checksum_add(uint32_t checksum, const void *data, size_t size)
{
	const unsigned char *next = data;

	pthread_once(&table_once, fill_table);
	checksum = ~checksum;
	/* Eight bytes at a time: every record that goes to disk passes here twice. */
	for (; size >= 8; size -= 8, next += 8) {
		uint64_t word;

		memcpy(&word, next, sizeof(word));
		word ^= checksum;
		checksum = table[7][word & 0xff] ^ table[6][word >> 8 & 0xff] ^
			   table[5][word >> 16 & 0xff] ^ table[4][word >> 24 & 0xff] ^
			   table[3][word >> 32 & 0xff] ^ table[2][word >> 40 & 0xff] ^
			   table[1][word >> 48 & 0xff] ^ table[0][word >> 56];
	}
	for (; size > 0; size--, next++)
		checksum = checksum >> 8 ^ table[0][(checksum ^ *next) & 0xff];
	return ~checksum;
}
