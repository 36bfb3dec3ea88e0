/* SPDX-License-Identifier: MIT */
/* consctl run: runs a command, reports every process of its tree and none else. */
#include "os.h"
#include "reporter.h"

#include <stdlib.h>
#include <string.h>

struct run {
	const struct settings *settings;
	struct launcher *launcher;
	struct control *control;
	struct reporter reporter;
	uint32_t pid;
	int status; /* of the command */
	bool ended; /* the command, not its tree */
	bool failed;
};

/* A signal for us. True: wait no longer, since the command that it would be for has ended. */
static bool forward(struct run *run)
{
	int number = control_signal(run->control);

	if (run->ended)
		return true;
	if (number)
		launcher_forward(run->launcher, run->pid, number);
	return false;
}

/* Waits for the end of the command or its tree; the news come from the launcher, not from events:
 * they are true even if events were lost. */
static void wait_for_news(struct run *run)
{
	for (;;) {
		struct launcher_news news;

		switch (control_wait(run->control, launcher_handle(run->launcher), -1)) {
		case CONTROL_FORWARD:
			if (forward(run))
				return;
			continue;
		case CONTROL_REOPEN:
			reporter_reopen(&run->reporter);
			continue;
		case CONTROL_READY:
			break;
		default:
			continue;
		}
		news = launcher_read(run->launcher);
		switch (news.message) {
		case LAUNCHER_ENDED:
			run->status = news.status;
			run->ended = true;
			if (run->settings->wait_command)
				return;
			break;
		case LAUNCHER_TREE_ENDED:
			return;
		case LAUNCHER_GONE:
			complain("the process between consctl and the command was killed: what "
				 "became of the command is not known");
			run->failed = true;
			return;
		}
	}
}

static int start_failed(const struct run *run, int error)
{
	complain("cannot run '%s': %s", run->settings->operands[0], platform_error_text(error));
	return launcher_not_found(error) ? STATUS_RUN_NOT_FOUND : STATUS_RUN_REFUSED;
}

static int observe(struct run *run)
{
	int status = reporter_open(&run->reporter, run->settings, launcher_pid(run->launcher));
	int error;

	if (status)
		return STATUS_RUN_FAILED;
	if (reporter_start(&run->reporter)) {
		reporter_close(&run->reporter);
		return STATUS_RUN_FAILED;
	}
	error = launcher_start(run->launcher, &run->pid);
	if (error)
		run->status = start_failed(run, error);
	else
		wait_for_news(run);
	control_give_back(run->control);
	status = reporter_finish(&run->reporter);
	if (run->failed || status == STATUS_FAILED)
		return STATUS_RUN_FAILED;
	if (status == STATUS_LOST && run->settings->fail_on_loss)
		return STATUS_LOST;
	return run->status;
}

int run_run(const struct settings *settings)
{
	struct run run = {.settings = settings};
	unsigned flags = CONTROL_FORWARDS | (settings->output ? CONTROL_HANGUP_REOPENS : 0);
	int status = STATUS_RUN_FAILED;
	int error;

	error = launcher_open(settings->operands, 0, &run.launcher);
	if (error) {
		complain("cannot make a process to run the command from: %s",
			 platform_error_text(error));
		return STATUS_RUN_FAILED;
	}
	error = control_open(flags, &run.control);
	if (error)
		complain("cannot take signals: %s", platform_error_text(error));
	else
		status = observe(&run);
	control_close(run.control);
	launcher_close(run.launcher);
	return status;
}
