/* SPDX-License-Identifier: MIT */
/*
 * While an observer is replaced by another one of the same ring, both observe for a moment: each
 * tells the same event, one right after the other on the same cpu. The second one is a repeat.
 *
 * Starts, execs and exits happen once, so that two alike are one. Failed execs may well be alike
 * and still be two: one is a repeat if another observer wrote it (RECORD_OTHER) than the one before
 * it, and soon after. For while both observe, the newer one tells nothing that the older one has
 * not told just before; and they do so for more than twice as long as that takes, so that the last
 * word of the older one alone and the first of the newer one alone are further apart.
 */
#ifndef PROCOBSRV_LIB_REPEATS_H
#define PROCOBSRV_LIB_REPEATS_H

#include "record.h"

#include <stdbool.h>

/* Two records further apart are never of the same failed exec. */
#define REPEATS_APART_NS 50000000u

/* What the last record of a cpu was about; 0 of number: there was none. Kept in checkpoints. */
struct repeats_last {
	uint64_t number;
	uint64_t start_ns;
	uint64_t exec_id;
	uint64_t time_ns;
	uint32_t pid;
	uint32_t thread_pid; /* who called exec; 0: not told */
	uint32_t kind;
	uint32_t other;	   /* RECORD_OTHER or 0 */
	uint32_t repeat;   /* 1: it was one itself */
	uint32_t reserved; /* 0 */
};

struct repeats {
	struct repeats_last *last; /* by cpu */
	size_t count;
};

void repeats_free(struct repeats *repeats);

/*
 * Feeds the next record of the stream. True: it says again what the record before it of the same
 * cpu said.
 */
bool repeats_feed(struct repeats *repeats, const struct record_view *view);

#endif
