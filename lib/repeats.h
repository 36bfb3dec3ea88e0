/* SPDX-License-Identifier: MIT */
/*
 * While an observer is replaced by another one of the same ring, both observe for a moment: each
 * tells the same start, exec or exit, one right after the other on the same cpu. The second one is
 * a repeat.
 */
#ifndef PROCOBSRV_LIB_REPEATS_H
#define PROCOBSRV_LIB_REPEATS_H

#include "record.h"

#include <stdbool.h>

/* What the last record of a cpu was about; 0 of number: there was none. Kept in checkpoints. */
struct repeats_last {
	uint64_t number;
	uint64_t start_ns;
	uint64_t exec_id;
	uint32_t pid;
	uint32_t kind;
};

struct repeats {
	struct repeats_last *last; /* by cpu */
	size_t count;
};

void repeats_free(struct repeats *repeats);

/*
 * Feeds the next record of the stream (start, exec, exit; others are none). True: it says again
 * what the record before it of the same cpu said.
 */
bool repeats_feed(struct repeats *repeats, const struct record_view *view);

#endif
