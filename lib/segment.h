/* SPDX-License-Identifier: MIT */
/*
 * A segment: a run of records in memory, the unit in which the queue allocates, lends and spills.
 *
 *	entries, growing up -> ...free... <- record bytes, growing down
 *
 * So both can grow until they meet, and the entries are an array that can be lent as it is.
 */
#ifndef PROCOBSRV_LIB_SEGMENT_H
#define PROCOBSRV_LIB_SEGMENT_H

#include "source.h"

#include <string.h>

struct spill_file;

struct segment {
	struct segment *next;
	struct spill_file *file; /* which it was read back from; NULL: none */
	size_t size;		 /* bytes of memory[] */
	uint64_t stream;
	uint64_t resume; /* position after the last entry that is published */
	size_t filled;	 /* entries written: the listener's */
	size_t low;	 /* where the record bytes begin in memory[]: the listener's */
	size_t count;	 /* entries published: under the queue's lock */
	size_t taken;	 /* entries lent at some time: under the queue's lock */
	_Alignas(8) char memory[];
};

/* What a record of `size` bytes takes up in a segment. */
#define SEGMENT_ALIGNED(size) (((size_t)(size) + 7) / 8 * 8)
#define SEGMENT_NEED(size)    (SEGMENT_ALIGNED(size) + sizeof(struct source_record))

static inline struct source_record *segment_entries(struct segment *segment)
{
	return (struct source_record *)(void *)(segment->memory);
}

/* Bytes between entries and records. */
static inline size_t segment_room(const struct segment *segment)
{
	return segment->low - segment->filled * sizeof(struct source_record);
}

/* Copies a record in, of 8 bytes at least; there must be room for SEGMENT_NEED(size). */
static inline void segment_put(struct segment *segment, const void *data, uint32_t size,
			       uint64_t position)
{
	struct source_record *entry = segment_entries(segment) + segment->filled++;

	segment->low -= SEGMENT_ALIGNED(size);
	/* The padding goes to disk with the rest. */
	memset(segment->memory + segment->low + SEGMENT_ALIGNED(size) - 8, 0, 8);
	memcpy(segment->memory + segment->low, data, size);
	entry->data = segment->memory + segment->low;
	entry->size = size;
	entry->position = position;
}

/* Empties it. */
static inline void segment_reset(struct segment *segment)
{
	segment->filled = 0;
	segment->count = 0;
	segment->taken = 0;
	segment->low = segment->size;
}

#endif
