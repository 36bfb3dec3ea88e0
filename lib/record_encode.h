/* SPDX-License-Identifier: MIT */
/* Makes the record of an event again, for readers that decode it as if a kernel had written it. */
#ifndef PROCOBSRV_LIB_RECORD_ENCODE_H
#define PROCOBSRV_LIB_RECORD_ENCODE_H

#include "buffer.h"
#include "procobsrv.h"
#include "record_writer.h"

#include <stdbool.h>

/* Where an event stands in the stream of its observer, as its cursor says. */
struct record_place {
	uint64_t stream;
	uint64_t position;
	/* '\0': of a record; else struct event's sort of what has no record of its own: it stands
	 * before the record at this position, or after the last one. */
	char sort;
};

/* False: the cursor is none of ours. */
bool record_encode_place(const char *cursor, struct record_place *place);

/*
 * Appends the event: chunks of what is long, then its record; a gap for one that tells of losses.
 * What an exit, or the start of a forked child, says of the program is left to who decodes: its
 * table knows. `scratch` is memory to work with, the caller's, who frees it. False: existing and
 * synthetic events have no record. Out of memory: nothing is appended, and writer->number has grown
 * all the same.
 */
bool record_encode(struct record_writer *writer, const struct procobsrv_event *event,
		   struct buffer *scratch);

/* The gap that an event tells of. */
struct record_gap record_encode_gap(const struct procobsrv_event *event);

#endif
