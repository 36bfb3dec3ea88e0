/* SPDX-License-Identifier: MIT */
#include "strings.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE     (64 * 1024)
#define FIRST_CAPACITY 1024

struct strings_block {
	struct strings_block *next;
	size_t used;
	size_t size;
	char text[];
};

/* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash(const char *text)
{
	uint64_t value = 0xcbf29ce484222325;

	for (; *text; text++)
		value = (value ^ (unsigned char)*text) * 0x100000001b3;
	return value;
}

/* The slot of an equal text, or the free one where it belongs. */
static size_t find(const struct strings *strings, const char *text)
{
	size_t mask = strings->capacity - 1;
	size_t slot = (size_t)hash(text) & mask;

	while (strings->slots[slot] && strcmp(strings->slots[slot], text) != 0)
		slot = (slot + 1) & mask;
	return slot;
}

static bool grow(struct strings *strings)
{
	struct strings larger = {.capacity =
				     strings->capacity ? strings->capacity * 2 : FIRST_CAPACITY};

	larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (size_t slot = 0; slot < strings->capacity; slot++)
		if (strings->slots[slot])
			larger.slots[find(&larger, strings->slots[slot])] = strings->slots[slot];
	free(strings->slots);
	strings->slots = larger.slots;
	strings->capacity = larger.capacity;
	return true;
}

/* The text stands behind its number. */
static char *store(struct strings *strings, const char *text, size_t length)
{
	/* Rounded up, so that the next number is aligned. */
	size_t size = (sizeof(size_t) + length + sizeof(size_t)) / sizeof(size_t) * sizeof(size_t);
	char *place;

	struct strings_block *block = strings->blocks;

	if (!block || block->size - block->used < size) {
		size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		block = malloc(sizeof(*block) + room);
		if (!block)
			return NULL;
		*block = (struct strings_block){.next = strings->blocks, .size = room};
		strings->blocks = block;
	}
	place = block->text + block->used;
	block->used += size;
	memcpy(place, &strings->count, sizeof(strings->count));
	return memcpy(place + sizeof(size_t), text, length + 1);
}

const char *strings_add(struct strings *strings, const char *text)
{
	size_t slot;

	if (!text)
		return NULL;
	/* A quarter stays free, so that chains stay short. */
	if (strings->count * 4 >= strings->capacity * 3 && !grow(strings))
		return NULL;
	slot = find(strings, text);
	if (!strings->slots[slot]) {
		strings->slots[slot] = store(strings, text, strlen(text));
		strings->count += strings->slots[slot] != NULL;
	}
	return strings->slots[slot];
}

size_t strings_number(const char *text)
{
	size_t number;

	memcpy(&number, text - sizeof(number), sizeof(number));
	return number;
}

void strings_free(struct strings *strings)
{
	while (strings->blocks) {
		struct strings_block *block = strings->blocks;

		strings->blocks = block->next;
		free(block);
	}
	free(strings->slots);
	*strings = STRINGS_EMPTY;
}
