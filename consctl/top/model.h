/* SPDX-License-Identifier: MIT */
/*
 * What top shows: the processes that live, those that ended lately, and how many of both a second.
 * Events only count and are noted, however many they are; rows are made when somebody looks.
 */
#ifndef PROCOBSRV_CONSCTL_TOP_MODEL_H
#define PROCOBSRV_CONSCTL_TOP_MODEL_H

#include "procobsrv.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_HISTORY 4096 /* processes that have ended, the latest */
#define MODEL_FADE_NS INT64_C(3000000000)
#define MODEL_TICKS   11 /* ten intervals of a tenth of a second */

/* One that has ended. */
struct model_ending {
	const struct procobsrv_process *process; /* owned; NULL: none yet */
	int64_t time_ns;
	struct procobsrv_exit exit;
};

struct model_row {
	const struct procobsrv_process *process; /* owned */
	int64_t ended_ns;			 /* 0: lives */
	uint32_t code;
	uint32_t signal;
	bool has_status;
	unsigned depth; /* in a tree */
};

struct model_tick {
	uint64_t time_ns; /* monotonic */
	uint64_t started;
	uint64_t ended;
};

struct model {
	pthread_mutex_t lock; /* over what events write: from here... */
	struct model_ending *history;
	uint64_t history_count; /* ever; the last MODEL_HISTORY are there */
	uint64_t started;
	uint64_t ended;
	uint64_t lost; /* ...to here */
	struct model_tick ticks[MODEL_TICKS];
	size_t tick_count;
	struct model_row *rows; /* of the last model_look() */
	size_t row_count;
	size_t row_capacity;
	bool failed; /* out of memory */
};

/* False: out of memory. */
bool model_open(struct model *model);
void model_close(struct model *model);

/* The handler of a monitor; param is the model. */
void model_on_event(const struct procobsrv_event *event, void *param);

/* Makes the rows anew: all that live, and those that ended less than MODEL_FADE_NS ago. */
void model_look(struct model *model, struct procobsrv *monitor, int64_t now_ns);

/* Starts and ends in the last second, or since the beginning if that is shorter. Call it ten times
 * a second. */
void model_rates(struct model *model, uint64_t now_ns, double *starts, double *ends);

/*
 * Calls visit for each ended child of a process, the latest first, at most `most` of them; the
 * process is valid during the call.
 */
void model_ended_children(struct model *model, const struct procobsrv_process *parent, size_t most,
			  void (*visit)(const struct model_ending *ending, void *param),
			  void *param);

/* How one ended, as far as it is known; false: it is not in the history. */
bool model_ending(struct model *model, const char *id, struct procobsrv_exit *exit);

#endif
