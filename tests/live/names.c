/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct name {
	uint64_t hash;
	char *text; /* owned */
};

struct names {
	struct name *all;
	size_t count;
	size_t capacity;
	uint32_t *slots;   /* number plus 1; 0: free */
	size_t slot_count; /* a power of two */
};

void *must_grow(void *memory, size_t count, size_t size)
{
	void *grown = reallocarray(memory, count ? count : 1, size);

	if (!grown) {
		fputs("out of memory in the test itself\n", stderr);
		abort();
	}
	return grown;
}

void *must_allocate(size_t count, size_t size)
{
	return memset(must_grow(NULL, count, size), 0, count * size);
}

struct names *names_create(void)
{
	struct names *names = must_allocate(1, sizeof(*names));

	names->slot_count = 1024;
	names->slots = must_allocate(names->slot_count, sizeof(*names->slots));
	return names;
}

void names_free(struct names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i < names->count; i++)
		free(names->all[i].text);
	free(names->all);
	free(names->slots);
	free(names);
}

/* FNV-1a */
static uint64_t hash_of(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

/* The slot that holds text, or the free one where it belongs. */
static uint32_t *slot_of(const struct names *names, const char *text, uint64_t hash)
{
	size_t at = hash & (names->slot_count - 1);

	while (names->slots[at]) {
		const struct name *name = &names->all[names->slots[at] - 1];

		if (name->hash == hash && !strcmp(name->text, text))
			break;
		at = (at + 1) & (names->slot_count - 1);
	}
	return &names->slots[at];
}

static void grow(struct names *names)
{
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? names->capacity * 2 : 256;
		names->all = must_grow(names->all, names->capacity, sizeof(*names->all));
	}
	if (names->count * 2 < names->slot_count)
		return;
	free(names->slots);
	names->slot_count *= 2;
	names->slots = must_allocate(names->slot_count, sizeof(*names->slots));
	for (size_t i = 0; i < names->count; i++)
		*slot_of(names, names->all[i].text, names->all[i].hash) = (uint32_t)i + 1;
}

size_t names_add(struct names *names, const char *text, bool *added)
{
	uint64_t hash = hash_of(text);
	uint32_t *slot = slot_of(names, text, hash);
	size_t length = strlen(text) + 1;
	char *copy;

	*added = !*slot;
	if (*slot)
		return *slot - 1;
	grow(names);
	copy = memcpy(must_allocate(length, 1), text, length);
	names->all[names->count++] = (struct name){hash, copy};
	*slot_of(names, text, hash) = (uint32_t)names->count;
	return names->count - 1;
}

size_t names_find(const struct names *names, const char *text)
{
	uint32_t slot = *slot_of(names, text, hash_of(text));

	return slot ? slot - 1 : NAMES_NONE;
}

size_t names_count(const struct names *names)
{
	return names->count;
}
