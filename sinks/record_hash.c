/* SPDX-License-Identifier: MIT */
#include "record_hash.h"

#include <string.h>

struct state {
	uint64_t words[4];
};

static uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static void mix(struct state *state)
{
	uint64_t *v = state->words;

	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] = rotate(v[0], 32) + v[3];
	v[2] += v[1];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

static void take(struct state *state, uint64_t word)
{
	state->words[3] ^= word;
	mix(state);
	mix(state);
	state->words[0] ^= word;
}

/* The observers' byte order is that of the machine: little-endian, which meson.build makes sure of.
 */
static uint64_t load(const uint8_t *bytes, size_t size)
{
	uint64_t word = 0;

	memcpy(&word, bytes, size);
	return word;
}

int64_t record_hash(const uint8_t key[RECORD_HASH_KEY_SIZE], const void *bytes, size_t size)
{
	const uint64_t low = load(key, 8), high = load(key + 8, 8);
	struct state state = {{low ^ 0x736f6d6570736575, high ^ 0x646f72616e646f6d,
			       low ^ 0x6c7967656e657261, high ^ 0x7465646279746573}};
	const uint8_t *next = bytes;

	for (size_t left = size; left >= 8; left -= 8, next += 8)
		take(&state, load(next, 8));
	take(&state, load(next, size & 7) | (uint64_t)size << 56);
	state.words[2] ^= 0xff;
	for (int round = 0; round < 4; round++)
		mix(&state);
	return (int64_t)(state.words[0] ^ state.words[1] ^ state.words[2] ^ state.words[3]);
}
