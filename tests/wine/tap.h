/* SPDX-License-Identifier: MIT */
/* Cases that are told as TAP: "ok 1 - name". */
#ifndef PROCOBSRV_TESTS_WINE_TAP_H
#define PROCOBSRV_TESTS_WINE_TAP_H

#include <stdbool.h>

struct tap_case {
	const char *name;
	void (*run)(void);
};

/* Runs the cases, or the one that is named; NULL: all. Returns the exit status. */
int tap_run(const struct tap_case *cases, const char *only);

/* Returns the condition. If it is false the running case has failed, and the message says why. */
bool check(bool condition, const char *format, ...) __attribute__((format(gnu_printf, 2, 3)));

/* Says something about the running case. */
void note(const char *format, ...) __attribute__((format(gnu_printf, 1, 2)));

#endif
