/* SPDX-License-Identifier: MIT */
/*
 * A growing run of bytes in a mapping of its own. It never calls malloc: the tracer is a copy of
 * the embedding process, made while that process's other threads may have held malloc's locks.
 */
#ifndef PROCOBSRV_LIB_ARENA_H
#define PROCOBSRV_LIB_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
	char *data; /* aligned to a page; moves when it grows */
	size_t size;
	size_t capacity;
};

/* Makes room for `more` bytes beyond size; false: out of memory, nothing has changed. */
bool arena_reserve(struct arena *arena, size_t more);
/* Appends `size` bytes of any content and returns where they are; NULL: out of memory. */
void *arena_add(struct arena *arena, size_t size);
/* Drops the first `size` bytes. */
void arena_consume(struct arena *arena, size_t size);
/* Empties it, and gives memory back to the system beyond `keep` bytes. */
void arena_clear(struct arena *arena, size_t keep);
void arena_free(struct arena *arena);

/* What the system supplies, an implementation per OS folder: whole pages, from it directly. */

/* Memory of `new_size` bytes with the content of `data` (NULL: none, and `size` is 0), which is
 * given back. NULL: out of memory, nothing has changed. */
void *arena_memory_resize(void *data, size_t size, size_t new_size);
void arena_memory_free(void *data, size_t size);

#endif
