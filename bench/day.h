/* SPDX-License-Identifier: MIT */
/*
 * A day of a machine that builds, made up: processes that start, run programs, fail at it, and end.
 * The same seed gives the same events, so that whoever lost his place can begin anew.
 */
#ifndef PROCOBSRV_BENCH_DAY_H
#define PROCOBSRV_BENCH_DAY_H

#include "procobsrv.h"

struct day_options {
	uint64_t seed;
	uint64_t stream;    /* of the cursors */
	const char *boot;   /* eight hexadecimal digits: how identities begin */
	int64_t first_ns;   /* wall clock of the first event */
	uint64_t step_ns;   /* between two events */
	uint32_t processes; /* that may run at a time */
	uint32_t pids;	    /* highest pid, after which they begin anew */
	uint64_t one_in;    /* one command line in so many is told more than once; 0: none */
};

struct day;

/* NULL: no memory. */
struct day *day_create(const struct day_options *options);
void day_free(struct day *day);

/* The next `count` events, without end; valid until the next call. NULL: no memory. */
const struct procobsrv_event *const *day_next(struct day *day, size_t count);

#endif
