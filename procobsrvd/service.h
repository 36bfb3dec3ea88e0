/* SPDX-License-Identifier: MIT */
/*
 * The service: one monitor on the resident observer, and those who take from it.
 *
 *	service.c	monitor, handler, what is safe; start, reload, stop
 *	sink_runner.c	a queue, a thread and a back-off around one sink
 *	linux/, windows/ main.c: the command line; run.c: how the system steers it; parts.c: which
 *			sinks and which parts there are; what else each system has of its own
 *
 * A part is what takes from the stream beside the sinks (the socket of the readers), or looks at
 * all of it (the metrics). Each is a file or a few, and a line in a system's parts.c.
 *
 * Threads. open(), reload() and close() of a part are called on the main thread. event() is called
 * on the monitor's dispatcher thread, one call at a time, each event in order; it must not wait for
 * anybody: what it cannot take at once it loses, counts, and tells its own readers.
 */
#ifndef PROCOBSRVD_SERVICE_H
#define PROCOBSRVD_SERVICE_H

#include "configuration.h"
#include "log.h"
#include "sink_runner.h"

struct service;
struct service_part; /* each part's own */

struct service_part_operations {
	const char *name;

	/*
	 * Called before the monitor starts, while the service has all its rights: sockets are made
	 * here. *part may be set to NULL: not configured, and no other function of it is called but
	 * open() again after a reload. On failure: an error with error_set(), nothing left behind;
	 * at the start that ends the service, at a reload it is logged.
	 */
	int (*open)(struct service *service, const struct configuration *configuration,
		    struct service_part **part);

	/*
	 * It is handed all events from here on, so that it may ask for calls between them. An error
	 * with error_set(): then it is closed. NULL: it does nothing by itself.
	 */
	int (*start)(struct service_part *part);

	/* The next event; it is the caller's. NULL: this part does not take events. */
	void (*event)(struct service_part *part, const struct procobsrv_event *event);

	/*
	 * The configuration is another one now; the one before stays valid until this returns. With
	 * another socket, or none any more: an error STATE asks for close() and open() instead.
	 * NULL: as if it were that error.
	 */
	int (*reload)(struct service_part *part, const struct configuration *configuration);

	/* No event() runs any more, and none comes. */
	void (*close)(struct service_part *part);
};

/* Where events were lost: by struct procobsrv_lost.stage. */
enum service_stage {
	SERVICE_STAGE_KERNEL,
	SERVICE_STAGE_QUEUE,
	SERVICE_STAGE_SPILL,
	SERVICE_STAGE_MONITOR,
	SERVICE_STAGE_OTHER,
	SERVICE_STAGES,
};

/* Since the service began. Losses of a sink are its runner's, those of a reader the server's. */
struct service_statistics {
	uint64_t events[SINK_RUNNER_KINDS];		  /* handed on, by enum procobsrv_kind */
	uint64_t lost[SERVICE_STAGES][SINK_RUNNER_KINDS]; /* index 0: of a kind that is not known */
	uint64_t reloads;
	uint64_t reload_failures;
	bool reload_failed;  /* the last one: what runs is, or its observer, as before */
	int64_t started_ns;  /* wall clock */
	int64_t reloaded_ns; /* when the present configuration was taken */
	int64_t event_ns;    /* wall clock of the last event handed on; 0: none */
};

/*
 * The monitor, for procobsrv_visit() and the like on the dispatcher thread: in event(), and in what
 * service_call_between_events() calls. Other threads borrow it: a reload may put another one in its
 * place, but waits for them. NULL, and nothing to give back: there is none right now.
 */
struct procobsrv *service_monitor(struct service *service);
struct procobsrv *service_borrow_monitor(struct service *service);
void service_return_monitor(struct service *service);

/* Any thread. */
void service_statistics(struct service *service, struct service_statistics *statistics);
const char *service_stage_name(enum service_stage stage);

/* Calls visit for each sink, in no order; it must not call the service. Any thread but the
 * dispatcher's. */
void service_visit_sinks(struct service *service,
			 void (*visit)(const struct sink_runner_statistics *statistics,
				       void *param),
			 void *param);

/* Calls visit with the part of these operations, which stays open meanwhile; false: it is not open.
 * Any thread but the dispatcher's; visit must not call the service. */
bool service_with_part(struct service *service, const struct service_part_operations *operations,
		       void (*visit)(struct service_part *part, void *param), void *param);

/*
 * Has call(param) made on the dispatcher thread between two events: the table (procobsrv_visit())
 * is then exactly what the events until there have told, so that who begins to listen in it misses
 * none and sees none twice. Returns at once; the call comes soon, unless a sink whose events must
 * not be lost holds the dispatcher back; while the service stops it may come on the main thread. It
 * comes exactly once, unless it is forgotten, which a part sees to in its close(). Any thread.
 * MEMORY: it will not come.
 */
int service_call_between_events(struct service *service, void (*call)(void *param), void *param);
/* Of those that were asked for with this param none is made after that. Not from such a call. */
void service_forget_calls(struct service *service, const void *param);

/* The sinks and parts of this build, ended by NULL (parts.c). */
extern const struct sink_operations *const service_sinks[];
extern const struct service_part_operations *const service_parts[];

/*
 * Opens all that the configuration names, installs the resident observer or puts this version of it
 * in the place of another, and begins to hand events on. An error with error_set().
 */
int service_start(const struct configuration *configuration, struct service **started);

/*
 * Takes another configuration: what is the same goes on. What of it cannot be had is logged; a sink
 * is tried again and again. An error, with error_set(), if its observer could not be had: counted
 * as a reload that failed, and the observer before goes on.
 */
int service_reload(struct service *service, const struct configuration *configuration);

/* The configuration could not be taken: counted. */
void service_reload_failed(struct service *service);

/* Whether the dispatcher comes round, or is held back by a durable sink: what systemd's watchdog
 * asks. */
bool service_is_alive(struct service *service);

/* To be called a few times a second: acknowledges what is safe. False: the monitor has ended by
 * itself; procobsrv_explain() says so. */
bool service_tend(struct service *service);

/*
 * Hands on and writes what was observed until now, within bounded time (what was not written is
 * told to the next run); ends everything, frees the service. The observer stays in the kernel.
 */
void service_stop(struct service *service);

#endif
