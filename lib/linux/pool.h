/* SPDX-License-Identifier: MIT */
/* Equal pieces of memory, without malloc (see arena.h). */
#ifndef PROCOBSRV_LIB_LINUX_POOL_H
#define PROCOBSRV_LIB_LINUX_POOL_H

#include <stddef.h>

struct pool {
	size_t size; /* of a piece, at least that of a pointer */
	void *unused;
};

/* A piece of zeroes; NULL: out of memory. */
void *pool_take(struct pool *pool);
/* Takes a piece back for the next who wants one; memory never goes back to the system. */
void pool_give(struct pool *pool, void *piece);

#endif
