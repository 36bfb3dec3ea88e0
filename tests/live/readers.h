/* SPDX-License-Identifier: MIT */
/* Readers of the resident observer, one after the other into one file. */
#ifndef PROCOBSRV_TESTS_LIVE_READERS_H
#define PROCOBSRV_TESTS_LIVE_READERS_H

#include "console.h"

/* Until a few events wait: those of consctl status itself, and of whatever else runs here. */
void readers_wait(void);
/* One more that reads until all is read, and ends well. */
void readers_finish(struct console *reader, const char *const *argv);
void readers_kill(struct console *reader, unsigned after_ms);
/* What consctl verify says of the file of all of them. */
void readers_expect_verified(const char *path);
/* How often to kill. */
unsigned readers_kills(void);

#endif
