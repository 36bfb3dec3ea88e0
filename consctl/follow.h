/* SPDX-License-Identifier: MIT */
/* A command that is run to be observed: started when the monitor listens, waited for with its tree.
 */
#ifndef PROCOBSRV_CONSCTL_FOLLOW_H
#define PROCOBSRV_CONSCTL_FOLLOW_H

#include "platform.h"
#include "settings.h"

struct follow {
	const struct settings *settings;
	struct launcher_user *user; /* NULL: the command has the rights of consctl */
	struct launcher *launcher;
	struct control *control;
	uint32_t pid;
	int status;  /* of the command, as a shell tells it */
	bool ended;  /* the command, not its tree */
	bool failed; /* what became of the command is not known */
};

/*
 * Makes a launcher for the settings' command and takes the signals, with `flags` of enum
 * control_flag; before any thread is made. An exit status; other than STATUS_FINE: complained
 * already, and nothing is left open.
 */
int follow_open(struct follow *follow, const struct settings *settings, unsigned flags);

/* Whose descendants are the command and its tree. */
uint32_t follow_root(const struct follow *follow);

/*
 * Starts the command and waits for the end of its tree (with --wait command: its own). SIGHUP calls
 * `reopen` if the flags say so. When it returns, signals have their default actions again.
 */
void follow_command(struct follow *follow, void (*reopen)(void *param), void *param);

/* What to exit with when observing ended with `observed`: mostly the command's status. */
int follow_status(const struct follow *follow, int observed);

void follow_close(struct follow *follow);

#endif
