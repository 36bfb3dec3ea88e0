/* SPDX-License-Identifier: MIT */
/* consctl, run by a test. */
#ifndef PROCOBSRV_TESTS_LIVE_CONSOLE_H
#define PROCOBSRV_TESTS_LIVE_CONSOLE_H

#include <sys/types.h>

struct console {
	pid_t pid;
	const char *output; /* file of its standard output */
	const char *errors; /* file of its standard error */
};

/* Starts it; argv begins with "consctl". `name` is for its two files. */
void console_start(struct console *console, const char *name, const char *const *argv);
/* Once more, when the one before has ended; into the same files, begun anew. */
void console_restart(struct console *console, const char *const *argv);
/* Waits for its line that it is watching. */
void console_wait_watching(const struct console *console);
/* Sends it a signal (0: none) and waits for its end: as waitpid() tells it. */
int console_end(const struct console *console, int number);
/* What it wrote to standard error; valid until the next call. */
const char *console_errors(const struct console *console);

#endif
