/* SPDX-License-Identifier: MIT */
/*
 * Who descends from the service, so that no command is run for what a command does.
 *
 * The rule: a process is of the family if its parent or its creator is the service (this process),
 * or is of the family, at any event that tells of it. Once it is, it stays so, whoever becomes its
 * parent later. It is known by its identity; a pid alone means nothing. Those that ended are
 * remembered for a while, since events may come again.
 *
 * Threads: one at a time for one family.
 */
#ifndef PROCOBSRV_SINKS_COMMAND_FAMILY_H
#define PROCOBSRV_SINKS_COMMAND_FAMILY_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>

struct command_family;

/* Begins with whom those that were closed before in this process knew. NULL: no memory. */
struct command_family *command_family_create(void);

/* The next event, in order. False: out of memory, somebody may be missing. */
bool command_family_see(struct command_family *family, const struct procobsrv_event *event);

/* Whether the event is of a member, or of the service itself. */
bool command_family_has(const struct command_family *family, const struct procobsrv_event *event);

/* Members that have not ended, as far as is known. */
size_t command_family_count(const struct command_family *family);

/* Leaves its members to those that are created later. NULL is allowed. */
void command_family_close(struct command_family *family);

#endif
