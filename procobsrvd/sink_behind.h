/* SPDX-License-Identifier: MIT */
/*
 * A durable sink that cannot take events, while the others go on: what is handed on passes it by,
 * and is told to it again, in the same order, when it works. Events that have a record of their own
 * are read again from the checkpoint of the monitor (lib/catch_up.h); the others, which are few,
 * are kept here.
 *
 * Two threads: who hands events on, and the runner's, which tells them again. What both look at is
 * under the runner's lock.
 */
#ifndef PROCOBSRVD_SINK_BEHIND_H
#define PROCOBSRVD_SINK_BEHIND_H

#include "catch_up.h"
#include "event_queue.h"

/* Where events are read again from. */
struct sink_behind_source {
	/* From now on, and until end(), what passes by can be read again as long as goes_on() says
	 * so. On the thread that hands events on. False: it cannot. */
	bool (*begin)(void *param);
	bool (*goes_on)(void *param);
	void (*end)(void *param); /* any thread */

	/* As in lib/catch_up.h; the runner's thread. */
	int (*open)(void *param, uint64_t first, struct catch_up **again);
	int (*next)(struct catch_up *again, const struct catch_up_range *range,
		    const struct procobsrv_event **event);
	void (*conclude)(struct catch_up *again, const struct procobsrv_event *event);
	void (*close)(struct catch_up *again);

	/* What passed by cannot be read again: all that is not safe is to be told anew, by another
	 * run of the monitor. Any thread. */
	void (*fail)(void *param);
};

struct sink_behind {
	const struct sink_behind_source *source; /* NULL: it never is */
	void *param;

	/* The runner's lock. */
	bool is;
	bool holds;	  /* no more may pass: who hands events on waits */
	bool failed;	  /* they cannot be read again */
	uint64_t waiting; /* events that passed, and were not told again yet */
	uint64_t told;	  /* those that were */
	bool any;	  /* of them has a record of its own; then: */
	uint64_t first;	  /* position of the first one */
	uint64_t last;	  /* of the last one */
	uint64_t resume;  /* after it */
	uint64_t last_ordinal;
	uint64_t next_ordinal; /* of the next one to be told */
	struct event_queue kept;

	pthread_mutex_t reading; /* held by who reads, and by who ends it; before the lock */
	struct catch_up *again;	 /* NULL: not open */
	bool reached;		 /* all until this position was told: */
	uint64_t position;
};

int sink_behind_init(struct sink_behind *behind, const struct sink_behind_source *source,
		     void *param);
void sink_behind_destroy(struct sink_behind *behind); /* after sink_behind_end() */

/* The lock, by who hands events on. The event with `ordinal` is the first one that passes by.
 * False: none can. */
bool sink_behind_begin(struct sink_behind *behind, uint64_t ordinal);
/* It passes by. False: no more may, until it has caught up. */
bool sink_behind_pass(struct sink_behind *behind, const struct procobsrv_event *event,
		      uint64_t ordinal);

/*
 * With `reading`, by the runner's thread: the next event, with a reference, and its ordinal. It is
 * to be taken before the next call. ENDED: there is none now. MEMORY, CORRUPT, ...: it cannot be
 * read.
 */
int sink_behind_next(struct sink_behind *behind, pthread_mutex_t *lock,
		     const struct procobsrv_event **event, uint64_t *ordinal);

/*
 * With `reading`, and not the lock, on any thread: it is over if nothing is left to tell; with
 * `force` in any case. False: it was not, or goes on. *told: how many were told again.
 */
bool sink_behind_end(struct sink_behind *behind, pthread_mutex_t *lock, bool force, uint64_t *told);

#endif
