/* SPDX-License-Identifier: MIT */
/*
 * The JSON lines of several readers of one observer, one after the other in one file or several:
 * some were killed and left half a line; what one had not made safe, the next one tells again.
 */
#ifndef PROCOBSRV_TESTS_LIVE_JOINED_H
#define PROCOBSRV_TESTS_LIVE_JOINED_H

#include "ground.h"
#include "names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct joined {
	struct ground *ground; /* is fed each event once */
	struct names *cursors;
	size_t lines;
	size_t begun; /* begin lines */
	size_t ended; /* end lines */
	size_t torn;  /* lines that were cut off */
	size_t repeats;
	size_t kinds[8]; /* how many of each enum procobsrv_kind, synthetic ones not counted */
	size_t synthetic;
	size_t nameless; /* exits of the storm's children that lack exe or argv */
	uint64_t lost;
	struct seen end; /* the last end line's numbers */
	char first_lost[512];
};

void joined_init(struct joined *joined);
/* Reads a file to its end. */
void joined_read(struct joined *joined, const char *path);
void joined_free(struct joined *joined);

#endif
