/* SPDX-License-Identifier: MIT */
/* A story from the record: for timeline --since and tree --at. */
#include "history_story.h"
#include "consctl.h"
#include "filter.h"
#include "history.h"

#include <stdlib.h>

struct teller {
	struct history history;
	struct story *story;
	struct record_list processes;
};

static int add_process(const struct record_run *run, const struct record_life *life, void *param)
{
	struct teller *teller = param;
	int error = record_list_add(&teller->processes, run->process);

	(void)life;
	return error ? history_failed(error) : STATUS_FINE;
}

static int compare_rows(const void *one, const void *other)
{
	int64_t left = *(const int64_t *)one;
	int64_t right = *(const int64_t *)other;

	return (left > right) - (left < right);
}

/* From whom they descend: all of those, so that the lanes hang together. */
static int add_ancestors(struct teller *teller)
{
	struct record_list *processes = &teller->processes;
	size_t count = processes->count;

	qsort(processes->rows, count, sizeof(*processes->rows), compare_rows);
	/* Those that are added are looked at in their turn. */
	for (size_t index = 0; index < processes->count; index++) {
		int64_t parent = 0;
		int error = record_parent(teller->history.reader, processes->rows[index], &parent);
		bool known = !parent || bsearch(&parent, processes->rows, count,
						sizeof(*processes->rows), compare_rows);

		for (size_t added = count; added < processes->count && !known; added++)
			known = processes->rows[added] == parent;
		if (!error && !known)
			error = record_list_add(processes, parent);
		if (error)
			return history_failed(error);
	}
	return STATUS_FINE;
}

/* As --from has it: what does not match is left out, losses never are. */
static bool is_left_out(const struct teller *teller, const struct procobsrv_event *event)
{
	return teller->history.filter && event->kind != PROCOBSRV_LOST &&
	       !filter_match(teller->history.filter, event);
}

/* Who had begun before is told as one that ran already. */
static int tell(const struct procobsrv_event *event, void *param)
{
	struct teller *teller = param;
	struct procobsrv_event told = *event;

	if (is_left_out(teller, event))
		return STATUS_FINE;
	if (event->kind == PROCOBSRV_START &&
	    event->time_ns < teller->history.query.interval.since_ns)
		told.kind = PROCOBSRV_EXISTING;
	story_add_event(teller->story, &told);
	return teller->story->failed ? STATUS_FAILED : STATUS_FINE;
}

static int tell_all(struct teller *teller)
{
	const struct history_sweep sweep = {
	    .processes = teller->processes.rows,
	    .process_count = teller->processes.count,
	    .losses = &teller->history.query.interval,
	    .on_event = tell,
	    .pause = history_no_pause,
	    .param = teller,
	};
	int status = history_sweep(&teller->history, &sweep);

	if (teller->story->failed)
		complain("out of memory for the processes of the record");
	else if (status == STATUS_FINE && !teller->story->count)
		complain("the record tells of no %s in that time",
			 teller->history.filter ? "event that matches --match" : "process");
	return teller->story->count ? status : STATUS_FAILED;
}

static int read_story(struct teller *teller, const int64_t *at_ns)
{
	const struct history_visitor visitor = {add_process, history_no_pause, teller};
	struct record_query *query = &teller->history.query;
	int status;

	query->forks = true;
	if (at_ns) {
		/* An interval of no length: what had begun by then and had not ended. */
		query->running = true;
		query->interval = (struct record_interval){*at_ns + 1, *at_ns + 1};
	}
	status = history_visit(&teller->history, &visitor);
	if (status == STATUS_FINE)
		status = add_ancestors(teller);
	if (status == STATUS_FINE && query->interval.since_ns != INT64_MIN)
		teller->story->begin_ns = query->interval.since_ns;
	if (status == STATUS_FINE)
		status = tell_all(teller);
	return status == STATUS_FINE ? history_tell_losses(&teller->history) : status;
}

int history_story_read(struct story *story, const struct settings *settings, const int64_t *at_ns)
{
	struct teller teller = {.story = story};
	int status = history_open(&teller.history, settings);

	if (status == STATUS_FINE)
		status = read_story(&teller, at_ns);
	record_list_free(&teller.processes);
	history_close(&teller.history);
	return status;
}
