/* SPDX-License-Identifier: MIT */
/*
 * What a command is given of an event: its arguments, in which {process.pid} stands for that field,
 * and its environment, in which PROCOBSRV_PID does.
 *
 * A field never becomes more than the part of the argument that it stands in, and never an option:
 * where an argument begins with a text that processes choose, one that is "--" must come before.
 */
#ifndef PROCOBSRV_SINKS_COMMAND_TEXT_H
#define PROCOBSRV_SINKS_COMMAND_TEXT_H

#include "procobsrv.h"

struct command_text;

/*
 * Compiles the program (an absolute path) and its arguments: `list`, ended by NULL, which must stay
 * valid. "{{" stands for a brace. ARGUMENT with error_set(): no path, a field that there is not, or
 * one where it must not stand. MEMORY.
 */
int command_text_compile(const char *const *list, struct command_text **text);

/* A command as execve() takes it: all of it in one piece of memory, to be freed. */
struct command_line {
	char *const *arguments; /* ended by NULL; the first is the program */
	char *const *environment;
	void *memory;
};

/* Fills it for an event; fields that the event does not have are empty in arguments, and not in the
 * environment. MEMORY. */
int command_text_fill(const struct command_text *text, const struct procobsrv_event *event,
		      struct command_line *line);

void command_text_free(struct command_text *text); /* NULL is allowed */

#endif
