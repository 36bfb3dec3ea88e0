/* SPDX-License-Identifier: MIT */
/* The account of records that the queue had to give up: what a gap record then tells. */
#ifndef PROCOBSRV_LIB_DROPS_H
#define PROCOBSRV_LIB_DROPS_H

#include "source.h"

#include <stdbool.h>

struct drops_record {
	struct record_header header;
	struct record_gap gap;
};
_Static_assert(sizeof(struct drops_record) ==
		   sizeof(struct record_header) + sizeof(struct record_gap),
	       "a gap record has no padding");

/* Records that were given up one after the other. */
struct drops {
	uint64_t events; /* sum of the counts; 0: nothing to tell */
	uint64_t stream;
	uint64_t position; /* of the first of them */
	uint64_t resume;   /* not beyond what comes after the last of them */
	struct record_gap gap;
};

/* Whether it is counted: no chunk, no gap, no note. */
static inline bool drops_is_event(uint16_t kind)
{
	return kind >= RECORD_START && kind <= RECORD_EXIT;
}

/* Counts a record of `size` bytes, of any content. Chunks and notes count nothing. */
void drops_add(struct drops *drops, const void *record, size_t size);

/* Counts what another account has counted. */
void drops_add_gap(struct drops *drops, const struct record_gap *gap);

/* Makes the gap record that tells all of it. */
void drops_tell(const struct drops *drops, struct drops_record *record);

/*
 * The records whose chunk was given up, one for each cpu, since a cpu finishes one before it begins
 * the next: what remains of them is given up too, for half a string is no string.
 */
#define DROPS_BROKEN_SLOTS 1024
struct drops_broken {
	struct {
		uint32_t cpu;
		int error;
		uint64_t number;
	} slots[DROPS_BROKEN_SLOTS];
};

/* Remembers that a chunk was given up because of `error` (not 0). */
void drops_break(struct drops_broken *broken, const struct record_header *chunk, int error);

/* Why a chunk of this record was given up; 0: none was. */
int drops_broken_error(const struct drops_broken *broken, const struct record_header *header);

#endif
