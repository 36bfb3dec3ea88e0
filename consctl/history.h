/* SPDX-License-Identifier: MIT */
/* A question to the record: what the parts of history share. */
#ifndef PROCOBSRV_CONSCTL_HISTORY_H
#define PROCOBSRV_CONSCTL_HISTORY_H

#include "buffer.h"
#include "record_reader.h"
#include "settings.h"

struct filter;
struct output;

struct history {
	const struct settings *settings;
	struct record_reader *reader;
	struct record_query query;
	struct record_list processes; /* of --pid, --tree, --ancestors */
	struct filter *filter;	      /* NULL: no --match */
};

/* Reads what is asked for, opens the record. An exit status; other than STATUS_FINE: complained
 * already. */
int history_open(struct history *history, const struct settings *settings);
void history_close(struct history *history);

/*
 * Tells on standard error what is missing from the interval: gaps, and what the record does not
 * reach back to. STATUS_LOST if events were lost.
 */
int history_tell_losses(struct history *history);

/* Complains about what the reader said. */
int history_failed(int error);

/*
 * Calls for each run that is asked for, in order, and with its life; the record is held meanwhile,
 * but not between the calls of `pause`, where what was collected can be written. Either ends it by
 * a status other than STATUS_FINE, which is returned.
 */
struct history_visitor {
	int (*on_run)(const struct record_run *run, const struct record_life *life, void *param);
	int (*pause)(void *param);
	void *param;
};
int history_visit(struct history *history, const struct history_visitor *visitor);

/* A `pause` that does nothing. */
int history_no_pause(void *param);
/* A status that is no exit status: nothing more is wanted. */
#define HISTORY_ENOUGH (-1)
/* Writes what has come together, and empties the buffer. An exit status; HISTORY_ENOUGH if it could
 * not be written. */
int history_write(struct output *output, struct buffer *buffer);

/* Which events of its life are a run's: from `first` on, before `end`. */
struct history_part {
	size_t first;
	size_t own; /* the exec; of a process that ran no program: its first */
	size_t end;
};
struct history_part history_part_of(const struct record_run *run, const struct record_life *life);

/*
 * Calls for each event of these processes, and for each gap of the interval, in the order of time.
 * `pause` and the statuses are as above.
 */
struct history_sweep {
	const int64_t *processes;
	size_t process_count;
	const struct record_interval *losses; /* NULL: no gaps */
	int (*on_event)(const struct procobsrv_event *event, void *param);
	int (*pause)(void *param);
	void *param;
};
int history_sweep(struct history *history, const struct history_sweep *sweep);

/* The answers: exit statuses, or HISTORY_ENOUGH as above. */
int history_print_rows(struct history *history, struct output *output);
int history_print_ancestors(struct history *history, struct output *output);
int history_print_events(struct history *history, struct output *output);

#endif
