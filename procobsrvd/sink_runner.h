/* SPDX-License-Identifier: MIT */
/*
 * A sink at work: a bounded queue, a thread, and a back-off around what sinks/sink.h describes.
 *
 * What a sink cannot take now waits in the queue, bounded by count and by bytes. When that is full,
 * a durable sink that is slow holds whoever hands events on back (the library then spills to disk);
 * one that fails is passed by, and told again what passed it (sink_behind.h). For any other the
 * events are lost: counted by kind, and told to the sink by an event `lost` (stage "sink") in their
 * place.
 *
 * Failures of open() and write() are tried again after 100 ms, then twice as long each time up to
 * 30 s; one line of the log tells when that begins, another when it is over.
 */
#ifndef PROCOBSRVD_SINK_RUNNER_H
#define PROCOBSRVD_SINK_RUNNER_H

#include "configuration.h"
#include "error.h"

#define SINK_RUNNER_KINDS (PROCOBSRV_LOST + 1)
/* Events at a time, at most. With more a write takes longer, up to seconds where the disk is busy,
 * and all of its events stay in memory. */
#define SINK_RUNNER_BATCH     4096u
#define SINK_RUNNER_BYTES_MAX (64u << 20) /* of memory that waiting events hold, estimated */

struct sink_runner_statistics {
	const char *name;    /* of the sink; these two are valid during the visit only */
	const char *section; /* "record": its operations' name */
	bool durable;	     /* and what waits is told again by the next run */
	bool failing;	     /* the last attempt failed */
	uint64_t taken;	     /* events that the sink has taken */
	uint64_t filtered;   /* by its match and kinds */
	uint64_t lost[SINK_RUNNER_KINDS]; /* by kind, queue full; index 0: kind not known */
	uint64_t waiting;		  /* events in the queue, and those that passed it by */
	uint64_t behind;		  /* these: to be told again */
	bool is_behind;			  /* it is passed by, or is being told again */
	bool holds_back;		  /* no more may pass by: all others wait for it */
	uint64_t waiting_bytes;		  /* estimated */
	uint64_t waiting_most;		  /* what the configuration allows */
	uint64_t failures;		  /* attempts of open() and write() that failed */
	uint64_t lag_ns; /* since the oldest event that waits was observed; 0: none waits */
	int64_t failing_since_ns;    /* wall clock; 0: it does not fail */
	char error[ERROR_TEXT_SIZE]; /* of the last failure; empty: none ever */
	struct sink_statistics sink; /* the sink's own; all 0 while it is not open */
};

struct sink_runner;

struct sink_behind_source;

struct sink_runner_listener {
	/* More is safe than before: on the runner's thread. May be NULL. */
	void (*on_progress)(void *param);
	/* Where a durable sink that was passed by is told from; NULL: it holds back. */
	const struct sink_behind_source *source;
	void *param;
};

/*
 * Begins to run a sink of `configuration`, a reference to which is taken. The sink is opened on the
 * runner's thread. MEMORY or SYSTEM with error_set().
 */
int sink_runner_start(const struct configuration *configuration,
		      const struct configuration_sink *sink,
		      const struct sink_runner_listener *listener, struct sink_runner **started);

/*
 * The next event; ordinals grow by one with each event, whether it is for this sink or not. Waits
 * while a durable sink's queue is full and nothing may pass it by, until there is room or
 * sink_runner_release(). One thread at a time.
 */
void sink_runner_put(struct sink_runner *runner, const struct procobsrv_event *event,
		     uint64_t ordinal);

/* It has had the next event: that is not for it. */
void sink_runner_leave_out(struct sink_runner *runner);

/*
 * Up to where nothing of this sink's is missing: *event, with a reference that the caller gives
 * back, and its ordinal; NULL: nothing was put yet, so that all is safe. False: what was put first
 * is not safe yet. Any thread. Durable sinks only.
 */
bool sink_runner_safe(struct sink_runner *runner, const struct procobsrv_event **event,
		      uint64_t *ordinal);

/* Goes on with other settings: if they differ the sink is closed and opened with these; if not, its
 * reopen() is called. What waits stays. Any thread; MEMORY: it goes on as before. */
int sink_runner_change(struct sink_runner *runner, const struct configuration *configuration,
		       const struct configuration_sink *sink);

/* From now on nothing is put and nobody is held back; for who is about to stop the monitor, which
 * tells it again in its next run. Any thread. */
void sink_runner_release(struct sink_runner *runner);

/* That is over: what is put is taken again. */
void sink_runner_resume(struct sink_runner *runner);

/* After sink_runner_release(): the monitor is about to be closed, and the next one tells again what
 * passed by. Any thread. */
void sink_runner_forget(struct sink_runner *runner);

/* Waits at most timeout_ns until its queue is empty; false: it is not. Any thread. */
bool sink_runner_flush(struct sink_runner *runner, uint64_t timeout_ns);

/* Closes the sink and frees the runner; what still waits is given back unwritten. */
void sink_runner_stop(struct sink_runner *runner);

const char *sink_runner_name(const struct sink_runner *runner);
const struct sink_operations *sink_runner_operations(const struct sink_runner *runner);

/* Any thread. */
void sink_runner_statistics(struct sink_runner *runner, struct sink_runner_statistics *statistics);

#endif
