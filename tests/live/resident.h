/* SPDX-License-Identifier: MIT */
/* The machine's resident observer, for a test: installed, asked, and gone without a trace. */
#ifndef PROCOBSRV_TESTS_LIVE_RESIDENT_H
#define PROCOBSRV_TESTS_LIVE_RESIDENT_H

#include <jansson.h>
#include <stdint.h>

#define RESIDENT_PINS  "/sys/fs/bpf/procobsrv"
#define RESIDENT_RUN   "/run/procobsrv"
#define RESIDENT_SPILL "/var/lib/procobsrv"

/*
 * Runs consctl with these words to its end, and returns its exit status; *errors is what it wrote
 * to standard error, *output to standard output (either may be NULL), valid until the next call.
 */
int consctl_run(const char *const *words, const char **output, const char **errors);
#define CONSCTL(output, errors, ...)                                                               \
	consctl_run((const char *const[]){"consctl", __VA_ARGS__, NULL}, output, errors)

/*
 * Installs the resident observer for this test; the words are options of install. Skips the test if
 * one is installed that is not the tests' own.
 */
void resident_begin(const char *const *words);
/* Removes it, and holds that nothing of it is left. */
void resident_finish(void);
/* No file of it is left. */
void resident_expect_gone(void);

/* A descriptor of one of its pins. */
int resident_open_pin(const char *name);

/* What `status -j` says; a new reference. Ends the test if it does not add up. */
json_t *resident_ask(void);
uint64_t resident_number(const char *key);

#endif
