/* SPDX-License-Identifier: MIT */
#include "reporter.h"
#include "os.h"
#include "story/story.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool reporter_wants_color(const struct settings *settings, bool terminal)
{
	const char *no_color = getenv("NO_COLOR");

	if (settings->color != COLOR_AUTO)
		return settings->color == COLOR_ALWAYS;
	return terminal && !(no_color && *no_color) && platform_shows_color();
}

/* Called with the output locked. */
static void append_begin(struct buffer *buffer, void *param)
{
	struct reporter *reporter = param;
	char host[256];
	char boot[37] = "";

	if (reporter->format == PROCOBSRV_FORMAT_TEXT) {
		format_text_header(buffer, &reporter->text);
		return;
	}
	os_host_name(host, sizeof(host));
	const struct format_begin begin = {
	    .time_ns = reporter->begin_ns,
	    .host = host,
	    .boot = os_boot_id(boot) ? boot : NULL,
	    .backend = procobsrv_backend(reporter->monitor),
	    .version = procobsrv_version(),
	    .limits = procobsrv_backend_limits(reporter->monitor),
	    .seq = reporter->seq,
	    .resident = reporter->resident,
	};

	if (reporter->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_begin(buffer, &begin);
	else
		format_json_begin(buffer, &begin);
}

/* The first event may come before procobsrv_start() has returned: who is first, begins. */
static void begin_once(struct reporter *reporter, struct buffer *buffer)
{
	struct procobsrv_statistics statistics = {0};

	if (reporter->begun)
		return;
	procobsrv_statistics(reporter->monitor, &statistics, sizeof(statistics));
	reporter->seq = statistics.resumed_after;
	append_begin(buffer, reporter);
	reporter->begun = true;
}

/* What is in the file need not be read again by a later reader. Called with the output locked. */
static void acknowledge(void *param)
{
	struct reporter *reporter = param;

	if (!reporter->unwritten)
		return;
	procobsrv_acknowledge(reporter->monitor, reporter->unwritten);
	procobsrv_event_unref(reporter->unwritten);
	reporter->unwritten = NULL;
}

static void on_event(const struct procobsrv_event *event, void *param)
{
	struct reporter *reporter = param;
	struct buffer *buffer;

	if (reporter->full)
		return;
	buffer = output_begin(&reporter->output);
	if (reporter->output.terminal)
		reporter->text.columns = os_terminal_columns(stdout);
	begin_once(reporter, buffer);
	if (reporter->format == PROCOBSRV_FORMAT_JSON)
		format_json_event(buffer, event);
	else if (reporter->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_event(buffer, event);
	else
		format_text_event(buffer, event, &reporter->text);
	if (reporter->output.on_written) {
		procobsrv_event_unref(reporter->unwritten);
		reporter->unwritten = procobsrv_event_ref(event);
	}
	if (reporter->story)
		story_add_event(reporter->story, event);
	reporter->seq = event->seq;
	reporter->written++;
	if (!output_end(&reporter->output) || reporter->written == reporter->count) {
		reporter->full = true;
		procobsrv_stop(reporter->monitor, PROCOBSRV_STOP_DISCARD);
		os_event_set(reporter->done);
	}
}

/* Told now, not when the queue is full and events are lost. */
static bool can_spill(const char *directory)
{
	struct os_file *probe;

	if (!directory)
		return true;
	if (os_file_create_private(directory, "procobsrv-try-", &probe)) {
		complain("--spill-directory: %s", procobsrv_explain());
		return false;
	}
	os_file_close(probe, true);
	return true;
}

int reporter_open(struct reporter *reporter, const struct settings *settings, uint32_t root_pid)
{
	struct procobsrv_options options;
	int error;

	*reporter = (struct reporter){
	    .format = settings->format, .count = settings->count, .resident = settings->resume};
	if (!settings_suit(settings, root_pid))
		return STATUS_USAGE;
	if (!can_spill(settings->spill_directory))
		return STATUS_FAILED;
	settings_observe(settings, &options);
	options.handler.on_event = on_event;
	options.handler.param = reporter;
	options.root_pid = root_pid;
	error = procobsrv_open(&options, &reporter->monitor);
	if (error) {
		complain_library(error);
		return error == PROCOBSRV_ERROR_EXPRESSION ? STATUS_USAGE : STATUS_FAILED;
	}
	reporter->done = os_event_create();
	if (!reporter->done) {
		complain("cannot make a wake object: %s", platform_error_text(errno));
		goto close_monitor;
	}
	if (output_open(&reporter->output, settings->output))
		goto destroy_event;
	if (settings->resume) {
		reporter->output.param = reporter;
		reporter->output.on_written = acknowledge;
	}
	reporter->text.user_name = platform_user_name;
	reporter->text.color = reporter_wants_color(settings, reporter->output.terminal);
	if (reporter->output.terminal)
		reporter->text.columns = os_terminal_columns(stdout);
	return STATUS_FINE;

destroy_event:
	os_event_destroy(reporter->done);
close_monitor:
	procobsrv_close(reporter->monitor);
	return STATUS_FAILED;
}

void reporter_announce(const struct procobsrv *monitor)
{
	const char *limits = procobsrv_backend_limits(monitor);

	if (limits)
		say("watching (%s)... %s\n", procobsrv_backend(monitor), limits);
	else
		say("watching (%s)...\n", procobsrv_backend(monitor));
}

/*
 * Begins, if no event has done so. This thread must not wait for a reader of the output, since it
 * is the one that takes signals: who holds the lock for long writes, and so has begun.
 */
static void begin_soon(struct reporter *reporter)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (!reporter->begun) {
		struct buffer *buffer = output_try_begin(&reporter->output);

		if (buffer) {
			begin_once(reporter, buffer);
			output_end_later(&reporter->output);
			return;
		}
		nanosleep(&pause, NULL);
	}
}

int reporter_start(struct reporter *reporter)
{
	int error;

	reporter->begin_ns = os_wall_ns();
	error = procobsrv_start(reporter->monitor);
	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	reporter_announce(reporter->monitor);
	begin_soon(reporter);
	return STATUS_FINE;
}

void reporter_reopen(struct reporter *reporter)
{
	output_reopen(&reporter->output, append_begin, reporter);
}

bool reporter_ended(struct reporter *reporter)
{
	return procobsrv_wait(reporter->monitor, 0) != PROCOBSRV_ERROR_TIMEOUT;
}

static void append_end(struct reporter *reporter, const struct procobsrv_statistics *statistics)
{
	uint64_t settled = statistics->resumed_after + statistics->observed - statistics->pending;
	struct buffer *buffer;

	if (reporter->format == PROCOBSRV_FORMAT_TEXT)
		return;
	/* What was filtered after the last line has numbers too. */
	if (!reporter->full && settled > reporter->seq)
		reporter->seq = settled;
	const struct format_end end = {
	    .time_ns = os_wall_ns(),
	    .seq = reporter->seq,
	    .statistics = statistics,
	};

	buffer = output_begin(&reporter->output);
	if (reporter->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_end(buffer, &end);
	else
		format_json_end(buffer, &end);
	output_end(&reporter->output);
}

int reporter_finish(struct reporter *reporter)
{
	struct procobsrv_statistics statistics = {0};
	const char *path = reporter->output.path;
	char pending[40] = "";
	int status = STATUS_FINE;
	int error;

	procobsrv_stop(reporter->monitor, PROCOBSRV_STOP_DRAIN);
	error = procobsrv_wait(reporter->monitor, -1);
	if (error) {
		complain_library(error);
		status = STATUS_FAILED;
	}
	procobsrv_statistics(reporter->monitor, &statistics, sizeof(statistics));
	append_end(reporter, &statistics);
	error = output_close(&reporter->output);
	if (output_status(path, error))
		status = STATUS_FAILED;
	procobsrv_close(reporter->monitor);
	os_event_destroy(reporter->done);
	/* What came after --count events, or while nobody read any more. */
	if (statistics.pending)
		snprintf(pending, sizeof(pending), " pending %llu",
			 (unsigned long long)statistics.pending);
	say("observed %llu delivered %llu filtered %llu lost %llu%s\n",
	    (unsigned long long)statistics.observed, (unsigned long long)statistics.delivered,
	    (unsigned long long)statistics.filtered, (unsigned long long)statistics.lost, pending);
	if (status == STATUS_FINE && statistics.lost)
		status = STATUS_LOST;
	return status;
}

void reporter_close(struct reporter *reporter)
{
	procobsrv_close(reporter->monitor);
	output_close(&reporter->output);
	os_event_destroy(reporter->done);
}
