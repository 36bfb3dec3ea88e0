/* SPDX-License-Identifier: MIT */
/* consctl timeline: a picture of who started whom and how long it ran. */
#include "story/command.h"
#include "story/timeline.h"
#include "follow.h"
#include "format.h"
#include "history_story.h"
#include "os.h"
#include "reporter.h"
#include "story_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct timeline {
	const struct settings *settings;
	struct story story;
	struct buffer title;
	intptr_t file;
};

static void on_event(const struct procobsrv_event *event, void *param)
{
	story_add_event(param, event);
}

static void reopen(void *param)
{
	(void)param;
}

/* Runs the command with its monitor. What observing came to: STATUS_FINE, _LOST or _FAILED. */
static int observe_command(struct timeline *timeline, struct follow *follow)
{
	struct procobsrv_options options;
	struct procobsrv *monitor;
	int error;

	settings_observe(timeline->settings, &options);
	options.handler.on_event = on_event;
	options.handler.param = &timeline->story;
	options.root_pid = follow_root(follow);
	error = procobsrv_open(&options, &monitor);
	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	error = procobsrv_start(monitor);
	if (error) {
		complain_library(error);
		procobsrv_close(monitor);
		return STATUS_FAILED;
	}
	reporter_announce(monitor);
	follow_command(follow, reopen, NULL);
	error = procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	if (error && error != PROCOBSRV_ERROR_STATE)
		complain_library(error);
	procobsrv_close(monitor);
	return timeline->story.lost ? STATUS_LOST : STATUS_FINE;
}

static int observe(struct timeline *timeline)
{
	struct follow follow;
	int status = follow_open(&follow, timeline->settings, CONTROL_FORWARDS);

	if (status)
		return status;
	story_append_arguments(&timeline->story, (const char *const *)timeline->settings->operands,
			       timeline->settings->operand_count, &timeline->title);
	status = observe_command(timeline, &follow);
	if (status == STATUS_LOST)
		say("%llu events were lost: the picture is not whole\n",
		    (unsigned long long)timeline->story.lost);
	status = follow_status(&follow, status);
	follow_close(&follow);
	return status;
}

static int read_file(struct timeline *timeline)
{
	if (story_file_read(&timeline->story, timeline->settings->from, timeline->settings->match))
		return STATUS_RUN_FAILED;
	format_text_escape(&timeline->title, timeline->settings->from);
	return STATUS_FINE;
}

static bool asks_record(const struct settings *settings)
{
	const struct history_settings *asked = &settings->history;

	return asked->since || asked->until || asked->record;
}

static int read_record(struct timeline *timeline)
{
	const struct history_settings *asked = &timeline->settings->history;
	int status = history_story_read(&timeline->story, timeline->settings, NULL);

	if (status == STATUS_LOST && !timeline->settings->fail_on_loss)
		status = STATUS_FINE;
	if (status != STATUS_FINE && status != STATUS_LOST)
		return STATUS_RUN_FAILED;
	format_text_escape(&timeline->title, asked->since ? asked->since : "");
	buffer_append_text(&timeline->title, " - ");
	format_text_escape(&timeline->title, asked->until ? asked->until : "");
	return status;
}

static int write_picture(struct timeline *timeline)
{
	struct buffer buffer = BUFFER_EMPTY;
	int error;

	buffer_append_character(&timeline->title, '\0');
	if (!timeline->title.failed && !timeline->story.failed) {
		if (timeline->settings->picture == PICTURE_PERFETTO)
			timeline_append_trace(&timeline->story, timeline->title.data, &buffer);
		else
			timeline_append_html(&timeline->story, timeline->title.data, &buffer);
	}
	if (!buffer.size || buffer.failed) {
		complain("out of memory for a picture of %zu processes", timeline->story.count);
		error = STATUS_FAILED;
	} else {
		error = platform_file_write(timeline->file, buffer.data, buffer.size);
		error = output_status(timeline->settings->output, error);
	}
	buffer_free(&buffer);
	return error ? STATUS_RUN_FAILED : STATUS_FINE;
}

static int open_file(struct timeline *timeline)
{
	const char *path = timeline->settings->output;
	int error;

	if (!path) {
		timeline->file = platform_file_standard_output();
		if (!os_is_terminal(stdout))
			return STATUS_FINE;
		complain("a picture is not for a terminal: name a file with -o FILE");
		return STATUS_RUN_FAILED;
	}
	error = platform_file_open_anew(path, &timeline->file);
	if (!error)
		return STATUS_FINE;
	output_complain_open(path, error);
	return STATUS_RUN_FAILED;
}

static int close_file(struct timeline *timeline)
{
	int error = timeline->settings->output ? platform_file_close(timeline->file) : 0;

	return output_status(timeline->settings->output, error) ? STATUS_RUN_FAILED : STATUS_FINE;
}

static int finish(struct timeline *timeline, int status)
{
	int written = write_picture(timeline);
	int closed = close_file(timeline);

	return closed ? closed : written ? written : status;
}

static int draw_command(struct timeline *timeline)
{
	/* What cannot be written need not be observed. */
	int status = open_file(timeline);

	if (status)
		return status;
	status = observe(timeline);
	if (status != STATUS_RUN_FAILED)
		return finish(timeline, status);
	close_file(timeline);
	return status;
}

static int draw_past(struct timeline *timeline)
{
	int status = timeline->settings->from ? read_file(timeline) : read_record(timeline);

	/* What cannot be read is no reason to empty a file that is there. */
	if (status == STATUS_RUN_FAILED || open_file(timeline))
		return STATUS_RUN_FAILED;
	return finish(timeline, status);
}

static bool check_usage(const struct settings *settings)
{
	bool recorded = asks_record(settings);

	if (recorded && settings->from) {
		complain(
		    "--from reads a file, --since, --until and --record ask the record: one of "
		    "them at a time");
		return false;
	}
	if ((recorded || settings->from) && settings->operand_count) {
		complain("--%s reads what has been observed: it takes no command",
			 recorded ? "since" : "from");
		return false;
	}
	if (!recorded && !settings->from && !settings->operand_count) {
		complain("needs a command to run, or --from FILE, or --since TIME; see 'consctl "
			 "timeline --help'");
		return false;
	}
	return settings->operand_count || settings_look_back(settings);
}

int timeline_run(const struct settings *settings)
{
	struct timeline timeline = {.settings = settings, .title = BUFFER_EMPTY};
	int status;

	if (!check_usage(settings))
		return STATUS_RUN_FAILED;
	story_open(&timeline.story);
	story_redact(&timeline.story, settings->redact);
	status = settings->operand_count ? draw_command(&timeline) : draw_past(&timeline);
	story_close(&timeline.story);
	buffer_free(&timeline.title);
	return status;
}
