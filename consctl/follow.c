/* SPDX-License-Identifier: MIT */
#include "follow.h"
#include "consctl.h"

/* A signal for us. True: wait no longer, since the command that it would be for has ended. */
static bool forward(struct follow *follow)
{
	int number = control_signal(follow->control);

	if (follow->ended)
		return true;
	if (number)
		launcher_forward(follow->launcher, follow->pid, number);
	return false;
}

/* Waits for the end of the command or its tree; the news come from the launcher, not from events:
 * they are true even if events were lost. */
static void wait_for_news(struct follow *follow, void (*reopen)(void *param), void *param)
{
	for (;;) {
		struct launcher_news news;

		switch (control_wait(follow->control, launcher_handle(follow->launcher), -1)) {
		case CONTROL_FORWARD:
			if (forward(follow))
				return;
			continue;
		case CONTROL_REOPEN:
			reopen(param);
			continue;
		case CONTROL_READY:
			break;
		default:
			continue;
		}
		news = launcher_read(follow->launcher);
		switch (news.message) {
		case LAUNCHER_ENDED:
			follow->status = news.status;
			follow->ended = true;
			if (follow->settings->wait_command)
				return;
			break;
		case LAUNCHER_HAD_ENDED:
		case LAUNCHER_TREE_ENDED:
			return;
		case LAUNCHER_GONE:
			complain("the process between consctl and the command was killed: what "
				 "became of the command is not known");
			follow->failed = true;
			return;
		}
	}
}

static int start_failed(const struct follow *follow, int error)
{
	complain("cannot run '%s': %s", follow->settings->operands[0], platform_error_text(error));
	return launcher_not_found(error) ? STATUS_RUN_NOT_FOUND : STATUS_RUN_REFUSED;
}

int follow_open(struct follow *follow, const struct settings *settings, unsigned flags)
{
	char why[256];
	int error;

	*follow = (struct follow){.settings = settings};
	if (settings->run_as &&
	    !launcher_user_find(settings->run_as, &follow->user, why, sizeof(why))) {
		complain("--user: %s", why);
		return STATUS_RUN_FAILED;
	}
	error = launcher_open(settings->operands, 0, follow->user, &follow->launcher);
	if (error) {
		complain("cannot make a process to run the command from: %s",
			 platform_error_text(error));
		launcher_user_free(follow->user);
		return STATUS_RUN_FAILED;
	}
	error = control_open(flags, &follow->control);
	if (!error)
		return STATUS_FINE;
	complain("cannot take signals: %s", platform_error_text(error));
	launcher_close(follow->launcher);
	launcher_user_free(follow->user);
	return STATUS_RUN_FAILED;
}

uint32_t follow_root(const struct follow *follow)
{
	return launcher_pid(follow->launcher);
}

void follow_command(struct follow *follow, void (*reopen)(void *param), void *param)
{
	int error = launcher_start(follow->launcher, &follow->pid);

	if (error)
		follow->status = start_failed(follow, error);
	else
		wait_for_news(follow, reopen, param);
	control_give_back(follow->control);
}

int follow_status(const struct follow *follow, int observed)
{
	if (follow->failed || observed == STATUS_FAILED)
		return STATUS_RUN_FAILED;
	if (observed == STATUS_LOST && follow->settings->fail_on_loss)
		return STATUS_LOST;
	return follow->status;
}

void follow_close(struct follow *follow)
{
	control_close(follow->control);
	launcher_close(follow->launcher);
	launcher_user_free(follow->user);
}
