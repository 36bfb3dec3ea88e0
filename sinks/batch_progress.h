/* SPDX-License-Identifier: MIT */
/*
 * How far a sink came with a batch that failed in the middle, for one that cannot take back what it
 * has done: when the same events come again, it goes on there.
 */
#ifndef PROCOBSRV_SINKS_BATCH_PROGRESS_H
#define PROCOBSRV_SINKS_BATCH_PROGRESS_H

#include "procobsrv.h"

struct batch_progress {
	size_t done;  /* of the batch; 0: it begins */
	uint64_t seq; /* of the last of those */
	char cursor[64];
};

/* The index of the first of these events that is not done yet. */
size_t batch_progress_resume(const struct batch_progress *progress,
			     const struct procobsrv_event *const *events, size_t count);

/* The one at `index` is done. */
void batch_progress_note(struct batch_progress *progress,
			 const struct procobsrv_event *const *events, size_t index);

#endif
