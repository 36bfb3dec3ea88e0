/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#define ARENA_FIRST (64u << 10)

bool arena_reserve(struct arena *arena, size_t more)
{
	size_t capacity = arena->capacity ? arena->capacity : ARENA_FIRST;
	void *data;

	if (more > SIZE_MAX / 4 - arena->size)
		return false;
	while (capacity - arena->size < more)
		capacity *= 2;
	if (capacity == arena->capacity)
		return true;

	data = arena_memory_resize(arena->data, arena->capacity, capacity);
	if (!data)
		return false;
	arena->data = data;
	arena->capacity = capacity;
	return true;
}

void *arena_add(struct arena *arena, size_t size)
{
	if (!arena_reserve(arena, size))
		return NULL;
	arena->size += size;
	return arena->data + arena->size - size;
}

void arena_consume(struct arena *arena, size_t size)
{
	if (!size)
		return;
	memmove(arena->data, arena->data + size, arena->size - size);
	arena->size -= size;
}

void arena_clear(struct arena *arena, size_t keep)
{
	arena->size = 0;
	if (arena->capacity > keep)
		arena_free(arena);
}

void arena_free(struct arena *arena)
{
	if (arena->data)
		arena_memory_free(arena->data, arena->capacity);
	*arena = (struct arena){0};
}
