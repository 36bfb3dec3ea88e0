/* SPDX-License-Identifier: MIT */
/* consctl run: runs a command, reports every process of its tree and none else. */
#include "follow.h"
#include "os.h"
#include "reporter.h"
#include "story/story.h"

#include <stdio.h>

static void reopen(void *param)
{
	reporter_reopen(param);
}

static int observe(struct follow *follow, struct reporter *reporter, struct story *story)
{
	int status = reporter_open(reporter, follow->settings, follow_root(follow));

	if (status)
		return STATUS_RUN_FAILED;
	reporter->story = story;
	if (reporter_start(reporter)) {
		reporter_close(reporter);
		return STATUS_RUN_FAILED;
	}
	follow_command(follow, reopen, reporter);
	return follow_status(follow, reporter_finish(reporter));
}

static void say_summary(const struct story *story)
{
	struct buffer buffer = BUFFER_EMPTY;

	buffer_append_character(&buffer, '\n');
	story_append_summary(story, &buffer, os_terminal_columns(stderr));
	if (buffer.failed)
		complain("out of memory for the summary");
	else
		fwrite(buffer.data, 1, buffer.size, stderr);
	buffer_free(&buffer);
}

int run_run(const struct settings *settings)
{
	unsigned flags = CONTROL_FORWARDS | (settings->output ? CONTROL_HANGUP_REOPENS : 0);
	struct story story;
	struct reporter reporter = {0};
	struct follow follow;
	int status = follow_open(&follow, settings, flags);

	if (status)
		return status;
	story_open(&story);
	status = observe(&follow, &reporter, settings->summary ? &story : NULL);
	if (settings->summary && reporter.begun)
		say_summary(&story);
	story_close(&story);
	follow_close(&follow);
	return status;
}
