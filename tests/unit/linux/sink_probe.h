/* SPDX-License-Identifier: MIT */
/* A sink that fails, is slow or blocks as the test wants it, and tells what it was given. */
#ifndef PROCOBSRV_TESTS_SINK_PROBE_H
#define PROCOBSRV_TESTS_SINK_PROBE_H

#include "sink.h"

#include <pthread.h>
#include <stdatomic.h>

#define TAKEN_MOST 100000
#define SEEN_MOST  16

struct taken {
	uint64_t seq;
	enum procobsrv_kind kind;
	struct procobsrv_lost lost;
};

extern struct probe {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool blocks;	      /* write() waits until it does not */
	bool in_write;	      /* it does */
	atomic_int fail_open; /* so many times */
	atomic_int fail_write;
	atomic_int opened;
	atomic_int closed;
	atomic_int reopened;
	atomic_int tended;
	char path[64]; /* as it was opened */
	struct taken taken[TAKEN_MOST];
	size_t count;
} probe;

/* "durable", "passing", and "seeing", which is shown every event; ended by NULL. */
extern const struct sink_operations *const probe_sinks[];

/* Numbers of the events that "seeing" was shown. */
extern uint64_t seen[SEEN_MOST];
extern size_t seen_count;
extern size_t seen_before_write; /* when the first was written */

#endif
