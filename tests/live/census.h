/* SPDX-License-Identifier: MIT */
/*
 * Who lives, as a stream of events tells it from `existing` on, held against /proc; and what of it
 * was concluded after a gap.
 */
#ifndef PROCOBSRV_TESTS_LIVE_CENSUS_H
#define PROCOBSRV_TESTS_LIVE_CENSUS_H

#include "seen.h"

#include <sys/types.h>

/* What a stream concluded of a process without having observed it. */
enum census_conclusion {
	CENSUS_START = 1u << 0,
	CENSUS_EXEC = 1u << 1,
	CENSUS_EXIT = 1u << 2,
};

struct census;

struct census *census_create(void);
void census_free(struct census *census);
void census_feed(struct census *census, const struct seen *seen);
/* Notes who lives now by /proc, kernel threads left out. */
void census_of_proc(struct census *census);
/* The same processes live by the stream as by the last census_of_proc(), running the same. */
void census_compare(const struct census *census);
/* Of one process of this pid exactly this was concluded, and it runs (ran) this. */
void census_expect(const struct census *census, pid_t pid, unsigned conclusions,
		   const char *command);

#endif
