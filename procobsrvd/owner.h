/* SPDX-License-Identifier: MIT */
/*
 * Whose processes are, as numbers: the uid on Linux; on Windows, where users have names of any
 * length, one that this run of the service has given to the name. One implementation per OS folder.
 * Any thread.
 */
#ifndef PROCOBSRVD_OWNER_H
#define PROCOBSRVD_OWNER_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>

#define OWNER_NOBODY	0xffffffffu
#define OWNER_TEXT_SIZE 200u

/* OWNER_NOBODY: that is not known. */
uint32_t owner_of(const struct procobsrv_process *process);

/* Who may see program and arguments of a process that ran before anybody looked; OWNER_NOBODY: that
 * cannot be told. */
uint32_t owner_of_image(const struct procobsrv_process *process);

/* The same of one that has just been created by one whose program `creator` may see. */
uint32_t owner_of_new_image(const struct procobsrv_process *process, uint32_t creator);

/* Whether no process has this pid any more. */
bool owner_is_gone(uint32_t pid);

/* For messages: "1000", "S-1-5-18". */
void owner_text(uint32_t owner, char *text, size_t size);

#endif
