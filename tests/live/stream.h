/* SPDX-License-Identifier: MIT */
/* Files of JSON lines, as consctl writes them. */
#ifndef PROCOBSRV_TESTS_LIVE_STREAM_H
#define PROCOBSRV_TESTS_LIVE_STREAM_H

#include "ground.h"
#include "laws.h"

#include <stddef.h>

/* What was read from one file or several. */
struct stream {
	struct laws *laws;     /* of one file; NULL: do not hold it against the laws */
	struct ground *ground; /* NULL: not wanted */
	struct names *cursors; /* to drop repeats across files; NULL: keep all */
	size_t lines;
	size_t repeats;
	size_t kinds[8]; /* how many of each enum procobsrv_kind */
	bool begun;
	bool ended;
	struct seen end; /* numbers only */
};

/* Reads the file to its end. Ends the test at a line that does not parse. */
void stream_read(struct stream *stream, const char *path);

#endif
