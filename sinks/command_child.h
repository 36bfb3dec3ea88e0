/* SPDX-License-Identifier: MIT */
/*
 * Commands that run: each a child in a session of its own, with clean signals, no descriptor of the
 * service but standard error, and a time after which it is ended.
 *
 * Threads: one at a time for one set. Only those of this set are waited for, never others'
 * children.
 */
#ifndef PROCOBSRV_SINKS_COMMAND_CHILD_H
#define PROCOBSRV_SINKS_COMMAND_CHILD_H

#include "command_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* As whom commands run. */
struct command_user {
	bool set; /* false: as the service */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* owned */
	int group_count;
};

/* Looks a user up by name, and tries whether this process may become it. NOT_FOUND, PERMISSION. */
int command_user_find(const char *name, struct command_user *user);

struct command_children;

/* `most` run at a time, each for at most timeout_ns. NULL: no memory. */
struct command_children *command_children_create(size_t most, uint64_t timeout_ns);

/*
 * Runs a command, whose standard input reads `size` bytes of `input`; waits first while as many run
 * as may. SYSTEM and others with error_set(): it did not start.
 */
int command_children_run(struct command_children *children, const struct command_line *line,
			 const struct command_user *user, const void *input, size_t size);

/* What has become of them since the last call. */
struct command_ends {
	size_t failed;	  /* ended with another status than 0, or by a signal */
	size_t timed_out; /* were ended */
	int last_status;  /* as of waitpid(), of the last that failed */
};

/* Takes those that have ended, ends those whose time is over. */
void command_children_tend(struct command_children *children, struct command_ends *ends);

size_t command_children_count(const struct command_children *children);

/* Waits for those that run, at most wait_ns, ends the rest. NULL is allowed. */
void command_children_close(struct command_children *children, uint64_t wait_ns);

#endif
