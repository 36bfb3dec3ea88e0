/* SPDX-License-Identifier: MIT */
/* Which events are on record already: the place in the kernel's stream up to which they are. */
#ifndef PROCOBSRV_SINKS_RECORD_CURSOR_H
#define PROCOBSRV_SINKS_RECORD_CURSOR_H

#include "procobsrv.h"

#include <stdbool.h>

#define RECORD_CURSOR_SIZE 56

/* What a cursor says (lib/event.h). */
struct record_cursor {
	bool known;
	uint64_t stream;
	uint64_t position;
	char sort; /* '\0': the event has a record of its own */
	bool has_lost;
	uint64_t lost; /* what the kernel had lost by then, in all: of gaps in its ring */
};

/* known is false for what does not look like one. */
struct record_cursor record_cursor_parse(const char *text);

/* "stream:position", or "stream:position:lost" */
void record_cursor_write(const struct record_cursor *cursor, char text[RECORD_CURSOR_SIZE]);

/*
 * Whether the event that bears `cursor` is on record, if everything up to `last` is, whose event
 * had a record of its own. What has none, and comes at the same place, is not known here: who
 * exists, and what a resync concluded, is known by identity; gaps by their cursor.
 */
bool record_cursor_is_repeat(const struct record_cursor *cursor, const struct record_cursor *last);

#endif
