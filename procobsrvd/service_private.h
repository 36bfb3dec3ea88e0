/* SPDX-License-Identifier: MIT */
/* What the files of the service share. */
#ifndef PROCOBSRVD_SERVICE_PRIVATE_H
#define PROCOBSRVD_SERVICE_PRIVATE_H

#include "observer.h"
#include "service.h"
#include "sink_behind.h"

#include <pthread.h>
#include <stdatomic.h>

#define SERVICE_PARTS_MAX 8u
#define SERVICE_SINKS_MAX 64u
/* Durable sinks have the last places: they may hold back whoever hands events on, and the others
 * shall have the event by then. */
#define SERVICE_DURABLE_FROM 56u

struct service_between_call {
	struct service_between_call *next;
	void (*call)(void *param);
	void *param;
};

struct service {
	const struct configuration *configuration; /* a reference; the main thread's */
	const struct configuration *observing;	   /* likewise: whose observer is in force */
	intptr_t instance_lock;
	struct observer_choice choice;

	/*
	 * Who takes events. The dispatcher reads the places without a lock: it says in `inside`
	 * where it is about to go, and looks again. Who empties a place waits until it is not
	 * there.
	 */
	struct sink_runner *_Atomic sinks[SERVICE_SINKS_MAX];
	struct service_part *_Atomic parts[SERVICE_PARTS_MAX]; /* by index of service_parts */
	_Atomic uintptr_t inside;
	pthread_mutex_t places_lock; /* for who looks at them otherwise, and who changes them */

	pthread_rwlock_t monitor_lock;
	struct procobsrv *monitor;  /* NULL: none right now */
	pthread_mutex_t safe_lock;  /* what has been acknowledged */
	uint64_t acknowledged;	    /* ordinal */
	_Atomic uint64_t ordinal;   /* of the last event that everybody got */
	_Atomic uint64_t run_first; /* the first ordinal of the monitor's present run */
	/*
	 * What the last run of the monitor handed on, the next one may tell again. Written while
	 * there is no dispatcher, or by that.
	 */
	uint64_t handed_position; /* the last event with a record of its own; 0: none yet */
	uint64_t repeat_position; /* that of the last run; 0: nothing is a repeat */
	uint64_t repeat_stream;
	_Atomic bool released; /* the sinks are: what they are handed is told again */
	const struct procobsrv_event *handed; /* without a durable sink: the last one; safe_lock */
	uint64_t handed_ordinal;
	_Atomic uint64_t came_round_ns; /* when the dispatcher last did */

	_Atomic uint64_t behind_size; /* bytes that may be kept for a durable sink that fails */
	_Atomic bool tells_anew;      /* what was kept cannot be read: another run is to tell it */

	pthread_mutex_t calls_lock;
	struct service_between_call *calls;
	struct service_between_call **calls_end;
	_Atomic uintptr_t calling; /* the param of the call that is being made; 0: none */

	_Atomic uint64_t events[SINK_RUNNER_KINDS];
	_Atomic uint64_t lost[SERVICE_STAGES][SINK_RUNNER_KINDS];
	_Atomic uint64_t reloads;
	_Atomic uint64_t reload_failures;
	_Atomic bool reload_is_failed;
	int64_t started_ns;
	_Atomic int64_t reloaded_ns;
	_Atomic int64_t event_ns;
};

/* service_stream.c */
void service_on_event(const struct procobsrv_event *event, void *param);
void service_between(void *param); /* makes the calls that were asked for */
void service_acknowledge(struct service *service);

/* service_behind.c; its param is the service */
extern const struct sink_behind_source service_behind;

/* service_takers.c */
bool service_has_durable(struct service *service);
/* Empties a place once the dispatcher has left it, and ends what was there. */
void service_remove_sink(struct service *service, size_t place);
void service_remove_part(struct service *service, size_t index);
/* Starts, changes and removes until there are those of the configuration. */
void service_take_sinks(struct service *service, const struct configuration *configuration);
/* The same for the parts. With `strict` the first error ends it, and is returned. */
int service_take_parts(struct service *service, const struct configuration *configuration,
		       bool strict);

#endif
