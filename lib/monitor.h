/* SPDX-License-Identifier: MIT */
/*
 * The monitor: a listener thread that drains the source into the queue, and whoever takes from the
 * queue - the dispatcher thread, or the caller of procobsrv_next() - who makes events of it.
 *
 *	listener.c	the thread that owns the source
 *	taker.c		one step of taking: dispatch, idle checks, resync
 *	monitor.c	the public calls: open, start, stop, wait, close
 *	fetch.c		the public calls to fetch events: next, descriptor
 *	monitor_state.c	what all of them share
 *	inquiry.c	the public calls that only look: statistics, find, visit
 *	reader.c	what reading the resident observer needs besides
 */
#ifndef PROCOBSRV_LIB_MONITOR_H
#define PROCOBSRV_LIB_MONITOR_H

#include "checkpoint.h"
#include "dispatch.h"
#include "error.h"
#include "os.h"
#include "queue.h"
#include "resync.h"

enum monitor_state {
	MONITOR_IDLE,	 /* never started, or ended and joined */
	MONITOR_OPENING, /* the listener opens the source */
	MONITOR_RUNNING,
	MONITOR_STOPPING, /* observing ends, what was observed is delivered */
	MONITOR_ENDED,	  /* the taker has finished; threads wait to be joined */
};

/* Copies of the caller's options. */
struct monitor_options {
	struct procobsrv_handler handler;
	uint32_t kinds;
	uint32_t flags;
	char *backend;		     /* NULL: auto */
	char *match;		     /* NULL: everything */
	char **env;		     /* ended by NULL, or NULL */
	struct redaction *redaction; /* owned, or NULL */
	char *spill_directory;
	uint64_t queue_size;
	uint64_t spill_size;
	struct source_options source;
};

/* Records taken from the queue by procobsrv_start() before their time: delivered first. */
struct monitor_held {
	struct buffer bytes;
	struct source_record *records; /* data is an offset until they are sealed */
	size_t count;
	size_t capacity;
	size_t next;
	uint64_t stream;
	uint64_t resume; /* the position after the last record */
};

struct procobsrv {
	struct monitor_options options;
	struct filter *filter;
	uint32_t owner; /* process id: a forked child may only close */

	pthread_mutex_t lock; /* state, source and queue (as pointers), errors */
	pthread_cond_t changed;
	enum monitor_state state;
	_Atomic bool discard;	  /* end without delivering the rest */
	_Atomic bool stop_called; /* since the last start */
	bool drained;		  /* observing has ended and all of it is in the queue */
	bool taker_done;
	int open_error;
	char open_explanation[ERROR_TEXT_SIZE];
	int end_error; /* why observing ended by itself; 0: it did not, or its tree has ended */
	char end_explanation[ERROR_TEXT_SIZE];
	char limits[ERROR_TEXT_SIZE];
	char spill_refusal[256]; /* why nothing can be put on disk; empty: it can */

	const struct source_operations *operations;
	struct source *source;			  /* NULL: not open */
	struct source_statistics last_statistics; /* of the source, when it was closed */
	uint64_t acknowledged;	       /* reading the resident observer: before this all is safe */
	uint64_t last_delivered;       /* position after the last event made; the taker's */
	struct checkpoint *checkpoint; /* the taker's; NULL: none */
	_Atomic bool checkpointed;     /* what was dealt with is in the checkpoint */
	_Atomic unsigned keepers;      /* monitor_keep() without monitor_keep_end() */
	uint64_t kept_most;	       /* bytes that its files may have then; the taker's */
	_Atomic uint64_t kept_stream;  /* what they are of */
	uint64_t baseline_number;      /* events before this run: where its numbers go on */
	uint64_t baseline_repeats;     /* the kernel's numbers beyond that, told twice before */

	pthread_t listener;
	bool listener_runs; /* is to be joined */
	pthread_t dispatcher;
	bool dispatcher_runs;

	void (*between)(void *param); /* see monitor_set_between(); NULL: nobody asked */
	void *between_param;

	struct queue *queue;
	struct os_event *readable; /* procobsrv_descriptor(); NULL with a handler */

	/* The taker's. */
	struct dispatch dispatch;
	struct resync resync;
	struct monitor_held held;
	const struct procobsrv_process **existing; /* still to be reported */
	size_t existing_count;
	size_t existing_next;
	uint64_t idle_checked_ns;
	struct event *ready_first; /* made, not yet fetched (procobsrv_next()) */
	struct event *ready_last;
	struct event *current; /* what procobsrv_next() lent last */
};

/* listener.c */
int listener_start(struct procobsrv *monitor); /* opens the source; its error, explained */
/* After the thread was joined: closes the source, if that is open still. */
void listener_close(struct procobsrv *monitor);

/* taker.c */
#define TAKER_IDLE_MS 500

/* Prepares the table: snapshot, and what the stream told meanwhile. */
int taker_prepare(struct procobsrv *monitor);
/* One step: takes what is there, waiting at most timeout_ms, and delivers. 0, TIMEOUT or ENDED. */
int taker_step(struct procobsrv *monitor, int timeout_ms);
/* Whether procobsrv_start() left something to deliver. */
bool taker_has_prepared(const struct procobsrv *monitor);
/* Frees what the taker holds. */
void taker_clear(struct procobsrv *monitor);
/* The dispatcher thread. */
void *taker_run(void *param);
/* Whose dispatcher the calling thread is; NULL: of none. */
const struct procobsrv *taker_dispatching(void);
/* Tells everyone that nothing more will be delivered. */
void taker_finish(struct procobsrv *monitor);

/* monitor_state.c */
/* What a caller must pass: 0, or ARGUMENT where it is NULL, with what that is of which function. */
int monitor_need(const void *pointer, const char *function, const char *what);
enum monitor_state monitor_state(struct procobsrv *monitor);
void monitor_set_state(struct procobsrv *monitor, enum monitor_state state);
static inline bool monitor_has_handler(const struct procobsrv *monitor)
{
	return monitor->options.handler.on_event != NULL;
}
static inline bool monitor_discards(struct procobsrv *monitor)
{
	return atomic_load_explicit(&monitor->discard, memory_order_relaxed);
}
void monitor_request_stop(struct procobsrv *monitor, enum procobsrv_stop_mode mode);
/*
 * Before procobsrv_start(), for a monitor with a handler: `call` is made on the dispatcher thread
 * again and again, between two events, when the table is what the events until there have told.
 * monitor_hasten() makes the next call come soon, if the monitor runs: any thread.
 */
void monitor_set_between(struct procobsrv *monitor, void (*call)(void *param), void *param);
void monitor_hasten(struct procobsrv *monitor);

/*
 * reader.c: for who does not take events now but reads them again later (catch_up.h). From the call
 * on, and until monitor_keep_end(), the checkpoint keeps what is delivered: as long as
 * monitor_keeps(), which bounds it by `most` bytes, by half of what the file system has left and of
 * what may be spilled, since the next run puts it there. False: it cannot. Both on the dispatcher
 * thread, in the handler; monitor_keep_end() on any.
 */
bool monitor_keep(struct procobsrv *monitor, uint64_t most);
bool monitor_keeps(const struct procobsrv *monitor);
void monitor_keep_end(struct procobsrv *monitor);

/* fetch.c */
void fetch_deliver(struct event *event, void *param);
/* Sets the pollable descriptor to what the next procobsrv_next() would find. */
void fetch_set_readable(struct procobsrv *monitor, bool ended);

/* options.c */
int options_copy(const struct procobsrv_options *options, struct monitor_options *copy);
void options_free(struct monitor_options *copy);
/* The backend of that name, or NULL. */
const struct source_operations *options_backend(const char *name);

#endif
