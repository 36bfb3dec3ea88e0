/* SPDX-License-Identifier: MIT */
/* Speaking to ObsrvTest.sys. What fails, fails the running case. */
#ifndef PROCOBSRV_TESTS_WINE_HELPER_CLIENT_H
#define PROCOBSRV_TESTS_WINE_HELPER_CLIENT_H

#include "helper/helper_ioctl.h"

#include <stdbool.h>

/* Loads the helper from the file; helper_end() unloads and removes it. 0 or the system's error. */
uint32_t helper_begin(const wchar_t *path);
void helper_end(void);

/* Opens the device of a helper that somebody else has loaded. 0 or the system's error. */
uint32_t helper_open(void);

void helper_set_conditions(uint32_t flags);

struct helper_state helper_query(void);

/* Begins; the state before is in *before, if that is not NULL. */
bool helper_inject(const struct helper_injection *injection, struct helper_state *before);
/* Until its threads have ended. False: not within the limit. */
bool helper_wait(uint32_t limit_ms);
void helper_halt(void);

/* Strings may be NULL. 0 or the system's error. */
uint32_t helper_forward(const struct helper_process *process, const wchar_t *image,
			const wchar_t *command_line);

#endif
