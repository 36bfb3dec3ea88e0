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

struct repeats_last;

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
