/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK_BYTES (64u << 10)

static void grow(struct pool *pool)
{
	size_t step = (pool->size + 15) & ~(size_t)15;
	char *chunk =
	    mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return;
	for (size_t offset = 0; offset + step <= CHUNK_BYTES; offset += step)
		pool_give(pool, chunk + offset);
}

void *pool_take(struct pool *pool)
{
	if (!pool->unused)
		grow(pool);
	void *piece = pool->unused;
	if (!piece)
		return NULL;
	memcpy(&pool->unused, piece, sizeof pool->unused);
	memset(piece, 0, pool->size);
	return piece;
}

void pool_give(struct pool *pool, void *piece)
{
	memcpy(piece, &pool->unused, sizeof pool->unused);
	pool->unused = piece;
}
