/* SPDX-License-Identifier: MIT */
/* A runner, for sink_runner.c that has its thread, and sink_runner_put.c that has its queue. */
#ifndef PROCOBSRVD_SINK_RUNNER_PRIVATE_H
#define PROCOBSRVD_SINK_RUNNER_PRIVATE_H

#include "sink_runner.h"

#include "event_queue.h"
#include "filter.h"
#include "os.h"
#include "service.h"
#include "sink_behind.h"

#include <pthread.h>

#define SINK_RUNNER_MILLISECOND_NS UINT64_C(1000000)

/* What runs, or is to run from the next look on. */
struct settings {
	const struct configuration *configuration; /* a reference */
	const struct configuration_sink *sink;
};

struct sink_runner {
	const struct sink_operations *operations;
	struct sink_runner_listener listener;
	pthread_t thread;

	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t changed; /* for the runner's thread */
	pthread_cond_t room;	/* for who puts, and who flushes */
	struct settings present;
	struct settings next; /* configuration NULL: none */
	struct filter *filter;
	uint32_t kinds;
	size_t queue_count;
	struct event_queue queue;
	bool sleeps; /* the thread waits for an event */
	bool reopen;
	bool released;
	bool yielded; /* it has lost what should be durable, and what waits is not safe */
	bool stopping;
	struct sink_behind behind;	       /* it says which of it is not under the lock */
	const struct procobsrv_event *offered; /* the last one put; durable sinks only */
	uint64_t offered_ordinal;
	const struct procobsrv_event *safe; /* the last one that the sink took */
	uint64_t safe_ordinal;
	struct sink_runner_statistics statistics;

	pthread_mutex_t sink_lock; /* the pointer, against who asks for statistics */
	struct sink *sink;	   /* the thread's; NULL: not open */

	/* The thread's alone. */
	uint64_t back_off_ns;	  /* 0: the last attempt succeeded */
	uint64_t failures;	  /* in a row */
	uint64_t failing_from_ns; /* monotonic */
	uint64_t lost_before;	  /* statistics.lost when it began */
	uint64_t tended_ns;
	const struct procobsrv_event *batch[SINK_RUNNER_BATCH];
	const struct procobsrv_event *wanted[SINK_RUNNER_BATCH]; /* of those, if it sees all */
};

/* sink_runner_put.c */

/* By the expression and the kinds. The lock. */
bool sink_runner_wants(const struct sink_runner *runner, const struct procobsrv_event *event);
/* The runner's thread, when the sink works: what passed it by. */
void sink_runner_catch_up(struct sink_runner *runner);

#endif
