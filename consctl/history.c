/* SPDX-License-Identifier: MIT */
/* consctl history: asks the record of the service what ran. */
#include "history.h"
#include "consctl.h"
#include "filter.h"
#include "os.h"
#include "output.h"
#include "user_id.h"
#include "wall_time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_AT_ONCE 256

int history_failed(int error)
{
	complain_library(error);
	return STATUS_FAILED;
}

static bool read_time(const char *option, const char *text, int64_t now_ns, int64_t *time_ns)
{
	if (!text || wall_time_read_typed(text, now_ns, now_ns, time_ns))
		return true;
	complain("--%s %s: must be a time as yesterday, 10:30, '2 hours ago', -2h, "
		 "'2026-11-22 06:13' or 2026-11-22T06:13:00Z",
		 option, text);
	return false;
}

static bool read_times(struct history *history)
{
	const struct history_settings *asked = &history->settings->history;
	struct record_interval *interval = &history->query.interval;
	int64_t now_ns = os_wall_ns();

	*interval = (struct record_interval){INT64_MIN, INT64_MAX};
	if (!read_time("since", asked->since, now_ns, &interval->since_ns) ||
	    !read_time("until", asked->until, now_ns, &interval->until_ns))
		return false;
	if (interval->since_ns < interval->until_ns || (!asked->since || !asked->until))
		return true;
	complain("--since %s is not before --until %s", asked->since, asked->until);
	return false;
}

static int prepare_query(struct history *history)
{
	const struct history_settings *asked = &history->settings->history;
	struct record_query *query = &history->query;
	int error;

	query->name = asked->name;
	query->exe = asked->exe;
	query->failed = asked->failed;
	query->forks = asked->forks;
	query->running = asked->running;
	/* The last ones are found from the end. */
	query->newest_first = asked->reverse || asked->limit;
	query->has_uid = asked->user;
	if (asked->user && !user_id_find(asked->user, &query->uid)) {
		complain("--user %s: there is no such user; a number works also for one that is "
			 "gone",
			 asked->user);
		return STATUS_FAILED;
	}
	if (!history->settings->match)
		return STATUS_FINE;
	error = filter_compile(history->settings->match, &history->filter);
	if (!error)
		return STATUS_FINE;
	complain_library(error);
	return error == PROCOBSRV_ERROR_EXPRESSION ? STATUS_USAGE : STATUS_FAILED;
}

int history_open(struct history *history, const struct settings *settings)
{
	const char *path = settings->history.record ? settings->history.record : RECORD_PATH;
	int status;
	int error;

	*history = (struct history){.settings = settings};
	if (!read_times(history))
		return STATUS_USAGE;
	status = prepare_query(history);
	if (status != STATUS_FINE)
		return status;
	error = record_reader_open(path, &history->reader);
	return error ? history_failed(error) : STATUS_FINE;
}

void history_close(struct history *history)
{
	record_list_free(&history->processes);
	filter_free(history->filter);
	record_reader_close(history->reader);
}

int history_tell_losses(struct history *history)
{
	const struct record_interval *interval = &history->query.interval;
	uint64_t lost = 0;
	int64_t oldest_ns = INT64_MAX;
	int error = record_lost_count(history->reader, interval, &lost);

	if (!error)
		error = record_oldest(history->reader, &oldest_ns);
	if (error)
		return history_failed(error);
	if (history->settings->history.since && interval->since_ns < oldest_ns &&
	    oldest_ns != INT64_MAX) {
		struct buffer time = BUFFER_EMPTY;

		buffer_append_time(&time, oldest_ns);
		buffer_append_character(&time, '\0');
		say("consctl: the record reaches back to %s only\n",
		    time.failed ? "a later time" : time.data);
		buffer_free(&time);
	}
	if (!lost)
		return STATUS_FINE;
	say("consctl: %llu events of that time were lost: this is not the whole story\n",
	    (unsigned long long)lost);
	return STATUS_LOST;
}

struct history_part history_part_of(const struct record_run *run, const struct record_life *life)
{
	struct history_part part = {0};

	if (!run->exec) {
		part.end = life->count;
		return part;
	}
	while (part.own < life->count && life->execs[part.own] != run->exec)
		part.own++;
	part.end = part.own + (part.own < life->count);
	while (part.end < life->count && !life->execs[part.end])
		part.end++;
	/* The start of a process belongs to the first of its programs. */
	for (part.first = part.own; part.first > 0 && !life->execs[part.first - 1];)
		part.first--;
	if (part.first && part.own < life->count)
		part.first = part.own;
	return part;
}

/* Whether one of its events is as --match has it. */
static bool run_matches(const struct history *history, const struct record_run *run,
			const struct record_life *life)
{
	struct history_part part = history_part_of(run, life);

	if (!history->filter)
		return true;
	for (size_t index = part.first; index < part.end; index++)
		if (filter_match(history->filter, life->events[index]))
			return true;
	return false;
}

/* 1: loaded; 0: it was removed meanwhile. */
static int load_life(struct history *history, int64_t process, struct record_life **life)
{
	int error = record_life_load(history->reader, process, life);

	return error == PROCOBSRV_ERROR_NOT_FOUND ? 0 : error ? error : 1;
}

static int visit_runs(struct history *history, const struct record_run *runs, size_t count,
		      const struct history_visitor *visitor)
{
	int status = STATUS_FINE;

	for (size_t index = 0; index < count && status == STATUS_FINE; index++) {
		struct record_life *life = NULL;
		int loaded = load_life(history, runs[index].process, &life);

		if (loaded < 0)
			return history_failed(loaded);
		if (loaded && run_matches(history, &runs[index], life))
			status = visitor->on_run(&runs[index], life, visitor->param);
		record_life_free(life);
	}
	return status;
}

static int visit_some(struct history *history, struct record_search *search, size_t *count,
		      const struct history_visitor *visitor)
{
	struct record_run runs[RUNS_AT_ONCE];
	int error = record_reader_begin(history->reader);
	int status = STATUS_FINE;

	if (!error)
		error = record_search_next(search, runs, RUNS_AT_ONCE, count);
	if (error)
		status = history_failed(error);
	else
		status = visit_runs(history, runs, *count, visitor);
	record_reader_end(history->reader);
	return status;
}

int history_visit(struct history *history, const struct history_visitor *visitor)
{
	struct record_search *search;
	size_t count = 1;
	int status = STATUS_FINE;
	int error = record_search_open(history->reader, &history->query, &search);

	if (error)
		return history_failed(error);
	while (count && status == STATUS_FINE) {
		status = visit_some(history, search, &count, visitor);
		if (status == STATUS_FINE)
			status = visitor->pause(visitor->param);
	}
	record_search_close(search);
	return status;
}

int history_no_pause(void *param)
{
	(void)param;
	return STATUS_FINE;
}

int history_write(struct output *output, struct buffer *buffer)
{
	struct buffer *out;

	if (buffer->failed) {
		complain("out of memory for what the record tells");
		return STATUS_FAILED;
	}
	out = output_begin(output);
	buffer_append(out, buffer->data, buffer->size);
	buffer->size = 0;
	/* Nobody reads any more, or it failed: that is told when the output is closed. */
	return output_end(output) ? STATUS_FINE : HISTORY_ENOUGH;
}

/* Which processes are asked for. */

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* The process of --tree or --ancestors. */
static int find_process(struct history *history, const char *text, int64_t *process)
{
	struct record_list bearers = {0};
	unsigned long pid;
	int error;

	if (!is_number(text)) {
		error = record_find_identity(history->reader, text, process);
		return error ? history_failed(error) : STATUS_FINE;
	}
	errno = 0;
	pid = strtoul(text, NULL, 10);
	error = errno || pid > UINT32_MAX
		    ? 0
		    : record_find_pid(history->reader, (uint32_t)pid,
				      history->query.interval.until_ns, &bearers);
	if (!error && bearers.count)
		*process = bearers.rows[bearers.count - 1];
	if (!error && !bearers.count)
		complain("the record tells of no process %s that began %s%s", text,
			 history->settings->history.until ? "before " : "in its time",
			 history->settings->history.until ? history->settings->history.until : "");
	else if (error)
		complain_library(error);
	error = error || !bearers.count ? STATUS_FAILED : STATUS_FINE;
	record_list_free(&bearers);
	return error;
}

static int find_processes(struct history *history)
{
	const struct history_settings *asked = &history->settings->history;
	struct record_query *query = &history->query;
	int64_t process = 0;
	int status = STATUS_FINE;
	int error = 0;

	if (asked->tree || asked->ancestors)
		status =
		    find_process(history, asked->tree ? asked->tree : asked->ancestors, &process);
	else if (!asked->pid)
		return STATUS_FINE;
	if (status != STATUS_FINE)
		return status;
	if (asked->tree)
		error = record_find_tree(history->reader, process, &history->processes);
	else if (asked->ancestors)
		error = record_find_ancestors(history->reader, process, &history->processes);
	else
		error = record_find_pid(history->reader, asked->pid, query->interval.until_ns,
					&history->processes);
	if (error)
		return history_failed(error);
	/* Whoever names processes means also those that ran no program of their own. */
	static const int64_t none[1];

	query->processes = history->processes.rows ? history->processes.rows : none;
	query->process_count = history->processes.count;
	query->forks = true;
	return STATUS_FINE;
}

static bool check_usage(const struct history_settings *asked)
{
	bool selects = asked->name || asked->exe || asked->user || asked->failed;
	int processes = !!asked->pid + !!asked->tree + !!asked->ancestors;

	if (processes > 1) {
		complain("--pid, --tree and --ancestors: one of them at a time");
		return false;
	}
	if (asked->ancestors && (selects || asked->limit || asked->since)) {
		complain("--ancestors tells of one line of descent: beside it only --until, which "
			 "says when the pid was borne, --match, --reverse and the options of the "
			 "output");
		return false;
	}
	if (asked->running && (processes || asked->failed || !asked->since)) {
		complain("--running adds to what began after --since: it needs that, and goes "
			 "without --failed, --pid, --tree and --ancestors");
		return false;
	}
	return true;
}

static int print(struct history *history)
{
	struct output output;
	int status;
	int closed;

	if (output_open(&output, history->settings->output))
		return STATUS_FAILED;
	if (history->settings->format != PROCOBSRV_FORMAT_TEXT)
		status = history_print_events(history, &output);
	else if (history->settings->history.ancestors)
		status = history_print_ancestors(history, &output);
	else
		status = history_print_rows(history, &output);
	closed = output_status(history->settings->output, output_close(&output));
	if (status == STATUS_FINE || status == HISTORY_ENOUGH)
		status = closed;
	return status == STATUS_FINE ? history_tell_losses(history) : status;
}

int history_run(const struct settings *settings)
{
	struct history history;
	int status;

	if (!check_usage(&settings->history))
		return STATUS_USAGE;
	status = history_open(&history, settings);
	if (status == STATUS_FINE)
		status = find_processes(&history);
	if (status == STATUS_FINE)
		status = print(&history);
	history_close(&history);
	return status;
}
