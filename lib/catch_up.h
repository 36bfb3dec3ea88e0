/* SPDX-License-Identifier: MIT */
/*
 * Reading again what a monitor has dealt with and nobody has called safe: from its checkpoint,
 * beside it, on a thread of one's own, while it goes on. Who takes events for a while to be read
 * again later says so with monitor_keep(), before they are lost to him.
 *
 * What comes are the events that have a record of their own, as they were delivered: the same
 * cursors, the same place to go on from. What was concluded (existing, synthetic, lost) is not made
 * again; who kept these events says where they came.
 */
#ifndef PROCOBSRV_LIB_CATCH_UP_H
#define PROCOBSRV_LIB_CATCH_UP_H

#include "monitor.h"

struct catch_up;

/* Whether an event has a record of its own. */
bool catch_up_has_record(const struct procobsrv_event *event);

/*
 * `first` is the position of the first event that is wanted. To be closed before the monitor is.
 * NOT_FOUND: it has no checkpoint that reaches back so far; CORRUPT, MEMORY.
 */
int catch_up_open(const struct procobsrv *monitor, uint64_t first, struct catch_up **opened);

/* How far may be read: events that the monitor has delivered. */
struct catch_up_range {
	uint64_t limit;	 /* position: no event after it */
	uint64_t last;	 /* the last one delivered: >= limit */
	uint64_t resume; /* struct event.resume of that */
};

/* The next event, with a reference for the caller. ENDED: that was all within the limit; else as
 * for catch_up_open(). */
int catch_up_next(struct catch_up *again, const struct catch_up_range *range,
		  const struct procobsrv_event **event);

/* What was concluded then, and stands here: the table is to know it. */
void catch_up_conclude(struct catch_up *again, const struct procobsrv_event *event);

void catch_up_close(struct catch_up *again); /* NULL is allowed */

#endif
