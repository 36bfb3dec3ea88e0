/* SPDX-License-Identifier: MIT */
/* The processes that run now, for list and tree. */
#ifndef PROCOBSRV_CONSCTL_PROCESSES_H
#define PROCOBSRV_CONSCTL_PROCESSES_H

#include "buffer.h"
#include "settings.h"

struct processes {
	const struct procobsrv_process **items; /* in the order of their start */
	size_t count;
	size_t capacity;
};

/* Asks the observer, leaves out kernel threads unless wanted. An exit status. */
int processes_collect(const struct settings *settings, struct processes *processes);
void processes_free(struct processes *processes);

/* The index of each one's parent, SIZE_MAX for none; owned by the caller. NULL: out of memory. */
size_t *processes_parents(const struct processes *processes);

/*
 * Sets keep[i] for those that match the expression (NULL: all). `parents` as above. An exit status.
 */
int processes_match(const struct processes *processes, const size_t *parents,
		    const char *expression, bool *keep);

/* Appends what it runs: its command line or arguments, or its name in brackets. */
void append_command(struct buffer *buffer, const struct procobsrv_process *process);

/* Cuts the line that begins at `begin` to the width of the terminal (0: does not). */
void cut_line(struct buffer *buffer, size_t begin, unsigned columns);

#endif
