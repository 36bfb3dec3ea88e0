/* SPDX-License-Identifier: MIT */
/*
 * The ring: every record since the load, the newest of them kept, the oldest evicted and counted.
 * Positions count bytes since the load and never wrap; a record may lie across the end of the
 * memory, so its bytes are only copied, never pointed to.
 *
 * Everything here is called under os_lock.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_RING_H
#define PROCOBSRV_OBSERVER_WINDOWS_RING_H

#include "../record.h"

#include <stddef.h>

#define RING_SIZE_MIN	  (256u << 10)
#define RING_SIZE_DEFAULT (4u << 20)
#define RING_SIZE_MAX	  (256u << 20)

struct ring {
	uint8_t *bytes;
	uint32_t size;			     /* a power of two, at least twice RECORD_SIZE_MAX */
	uint64_t stream;		     /* which load this is; never 0 */
	uint64_t head;			     /* position after the newest record */
	uint64_t tail;			     /* position of the oldest */
	uint64_t number;		     /* the last one given */
	uint64_t written[RECORD_LOST_KINDS]; /* by RECORD_LOST_INDEX */
	uint64_t evicted[RECORD_LOST_KINDS];
};

/* The size of ring that is taken when `wanted` bytes are asked for; 0: the default. */
uint32_t ring_size(uint64_t wanted);

/* `bytes` has `size` as of ring_size() and stays the caller's. */
void ring_init(struct ring *ring, void *bytes, uint32_t size, uint64_t stream);

/*
 * Makes room at the head for a record of `size` bytes, a multiple of 8 and at most RECORD_SIZE_MAX.
 * What is written there belongs to nobody until ring_commit() has been called.
 */
void ring_reserve(struct ring *ring, uint32_t size);
void ring_write(struct ring *ring, uint64_t position, const void *data, uint32_t size);
/* As ring_write(), from memory that may be paged out. */
void ring_write_pageable(struct ring *ring, uint64_t position, const void *data, uint32_t size);
/* `kind` is that in the record's header. */
void ring_commit(struct ring *ring, enum record_kind kind, uint32_t size);

void ring_read(const struct ring *ring, uint64_t position, void *data, uint32_t size);
/* `position` is a record's. */
void ring_read_header(const struct ring *ring, uint64_t position, struct record_header *header);

#endif
