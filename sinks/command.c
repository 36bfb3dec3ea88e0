/* SPDX-License-Identifier: MIT */
/*
 * A command for each event that matches: section `on:` (docs/decisions/077-commands.md). Never
 * through a shell, at most so many in a time and at a time, and not for what commands do
 * themselves.
 */
#include "batch_progress.h"
#include "buffer.h"
#include "command_child.h"
#include "command_family.h"
#include "command_text.h"
#include "error.h"
#include "format.h"
#include "notice.h"
#include "os.h"
#include "sink.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND_NS UINT64_C(1000000000)
#define NOTICE_NS (60 * SECOND_NS) /* what is left out is told so often, at most */
#define CLOSE_NS  (5 * SECOND_NS)  /* that commands have to end by themselves at the end */

enum {
	RUN,
	RATE,
	BURST,
	TIMEOUT,
	AT_MOST,
	USER,
	SETTING_COUNT_OF,
};

static const struct setting settings[] = {
    [RUN] = {"run", SETTING_LIST, .required = true},
    [RATE] = {"rate", SETTING_RATE, .initial = "1/s"},
    [BURST] = {"burst", SETTING_COUNT, .initial = "10", .least = 1, .most = 100000},
    [TIMEOUT] = {"timeout", SETTING_DURATION, .initial = "30s", .least = 1},
    [AT_MOST] = {"at-most", SETTING_COUNT, .initial = "4", .least = 1, .most = 1000},
    [USER] = {"user", SETTING_TEXT},
    [SETTING_COUNT_OF] = {0},
};

struct sink {
	const char *program;
	struct command_text *text;
	struct command_user user;
	struct command_family *family;
	struct command_children *children;
	struct buffer json;
	uint64_t rate_ns;     /* between two, in the long run */
	uint64_t saved_most;  /* nanoseconds of it that may be saved up */
	uint64_t saved_ns;    /* that are */
	uint64_t refilled_ns; /* os_monotonic_ns() */
	struct batch_progress handled;
	/* Not told yet. */
	uint64_t limited;
	struct command_ends ends;
	uint64_t told_ns;
	_Atomic uint64_t written;
	_Atomic uint64_t failures;
	_Atomic uint64_t suppressed;
};

static int check_program(const char *program)
{
	if (access(program, X_OK) == 0)
		return 0;
	return error_set(PROCOBSRV_ERROR_NOT_FOUND, "run: cannot run '%s': %s", program,
			 os_error_text(errno));
}

static int check_values(const struct setting_value *values, size_t *wrong)
{
	struct command_text *text;
	int error;

	if (!values[RUN].set)
		return 0;
	error = command_text_compile(values[RUN].list, &text);
	if (error)
		*wrong = RUN;
	else
		command_text_free(text);
	return error;
}

static int read_settings(const struct setting_value *values, struct sink *sink)
{
	int error = command_text_compile(values[RUN].list, &sink->text);

	if (error)
		return error;
	sink->program = values[RUN].list[0];
	sink->rate_ns = values[RATE].number;
	sink->saved_most = values[BURST].number * sink->rate_ns;
	sink->saved_ns = sink->saved_most;
	sink->refilled_ns = os_monotonic_ns();
	error = check_program(sink->program);
	if (!error && values[USER].set)
		error = command_user_find(values[USER].text, &sink->user);
	return error;
}

static void close_sink(struct sink *sink)
{
	command_children_close(sink->children, CLOSE_NS);
	command_family_close(sink->family);
	command_text_free(sink->text);
	buffer_free(&sink->json);
	free(sink->user.groups);
	free(sink);
}

static int open_sink(const struct setting_value *values, struct sink **opened)
{
	struct sink *sink = calloc(1, sizeof *sink);
	int error;

	if (!sink)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a sink");
	error = read_settings(values, sink);
	if (!error) {
		sink->family = command_family_create();
		sink->children =
		    command_children_create(values[AT_MOST].number, values[TIMEOUT].number);
		if (!sink->family || !sink->children)
			error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a sink");
	}
	if (error) {
		close_sink(sink);
		return error;
	}
	*opened = sink;
	return 0;
}

static void see(struct sink *sink, const struct procobsrv_event *event)
{
	if (!command_family_see(sink->family, event))
		notice("on: out of memory: commands may be run for what commands do");
}

/* A bucket that is full at the beginning: `burst` at once, then `rate`. */
static bool may_run_now(struct sink *sink)
{
	uint64_t now = os_monotonic_ns();

	sink->saved_ns += now - sink->refilled_ns;
	if (sink->saved_ns > sink->saved_most)
		sink->saved_ns = sink->saved_most;
	sink->refilled_ns = now;
	if (sink->saved_ns < sink->rate_ns)
		return false;
	sink->saved_ns -= sink->rate_ns;
	return true;
}

static int run_for(struct sink *sink, const struct procobsrv_event *event)
{
	struct command_line line;
	int error = command_text_fill(sink->text, event, &line);

	if (error)
		return error;
	sink->json.size = 0;
	format_json_event(&sink->json, event);
	if (sink->json.failed) {
		buffer_free(&sink->json);
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for an event");
	}
	if (!error)
		error = command_children_run(sink->children, &line, &sink->user, sink->json.data,
					     sink->json.size);
	free(line.memory);
	return error;
}

static int handle(struct sink *sink, const struct procobsrv_event *event)
{
	int error;

	if (command_family_has(sink->family, event)) {
		sink->suppressed++;
		return 0;
	}
	if (!may_run_now(sink)) {
		sink->suppressed++;
		sink->limited++;
		return 0;
	}
	error = run_for(sink, event);
	if (error)
		sink->saved_ns += sink->rate_ns;
	else
		sink->written++;
	return error;
}

static int write_events(struct sink *sink, const struct procobsrv_event *const *events,
			size_t count)
{
	for (size_t at = batch_progress_resume(&sink->handled, events, count); at < count; at++) {
		int error = handle(sink, events[at]);

		if (error) {
			sink->failures++;
			return error;
		}
		batch_progress_note(&sink->handled, events, at);
	}
	sink->handled.done = 0;
	return 0;
}

static void tell_ends(const struct sink *sink)
{
	const struct command_ends *ends = &sink->ends;
	int status = ends->last_status;

	if (ends->failed)
		notice("on: %zu commands failed (%s), the last with %s %d", ends->failed,
		       sink->program, WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (ends->timed_out)
		notice("on: %zu commands (%s) took longer than `timeout` and were ended",
		       ends->timed_out, sink->program);
}

/* At once when something is to be told for the first time in a while, then once a minute. */
static void tell(struct sink *sink)
{
	uint64_t now = os_monotonic_ns();

	if (!sink->limited && !sink->ends.failed && !sink->ends.timed_out)
		return;
	if (sink->told_ns && now - sink->told_ns < NOTICE_NS)
		return;
	if (sink->limited)
		notice("on: %llu events were left out (%s): more than `rate` and `burst` allow",
		       (unsigned long long)sink->limited, sink->program);
	tell_ends(sink);
	sink->limited = 0;
	sink->ends = (struct command_ends){0};
	sink->told_ns = now;
}

static int tend(struct sink *sink)
{
	struct command_ends ends;

	command_children_tend(sink->children, &ends);
	if (ends.failed)
		sink->ends.last_status = ends.last_status;
	sink->ends.failed += ends.failed;
	sink->ends.timed_out += ends.timed_out;
	tell(sink);
	return 0;
}

static void statistics(struct sink *sink, struct sink_statistics *statistics)
{
	*statistics = (struct sink_statistics){
	    .written = sink->written,
	    .failures = sink->failures,
	    .suppressed = sink->suppressed,
	};
}

const struct sink_operations sink_command = {
    .name = "on",
    .settings = settings,
    .kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_START) | PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC) |
	     PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED) | PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT),
    .check = check_values,
    .open = open_sink,
    .write = write_events,
    .see = see,
    .tend = tend,
    .statistics = statistics,
    .close = close_sink,
};
