/* SPDX-License-Identifier: MIT */
/*
 * The live tests: what the library and consctl tell of the real kernel, held against what the
 * observed programs know of themselves.
 *
 * Each test is a function that runs in a process of its own, in a directory of its own; the first
 * expectation that fails ends it. What it leaves behind (processes, files, a core pattern) is
 * removed by the program that ran it, whatever became of the test.
 */
#ifndef PROCOBSRV_TESTS_LIVE_LIVE_H
#define PROCOBSRV_TESTS_LIVE_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct live_test {
	const char *name;
	void (*run)(void);
	unsigned seconds; /* at most; 0: 180 */
};

struct live_group {
	const char *name;
	const struct live_test *tests; /* ended by a name that is NULL */
};

/* Ends the test. Only from the test's own process, on any thread. */
void live_fail(const char *file, int line, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
/* Ends the test as one that cannot be run here; where CI=true, as one that failed. */
void live_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#define EXPECT(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			live_fail(__FILE__, __LINE__, __VA_ARGS__);                                \
	} while (0)
#define EXPECT_EQUAL(what, seen, expected)                                                         \
	do {                                                                                       \
		long long seen_ = (long long)(seen);                                               \
		long long expected_ = (long long)(expected);                                       \
		if (seen_ != expected_)                                                            \
			live_fail(__FILE__, __LINE__, "%s is %lld, not %lld", what, seen_,         \
				  expected_);                                                      \
	} while (0)
#define EXPECT_TEXT(what, seen, expected) live_expect_text(__FILE__, __LINE__, what, seen, expected)
void live_expect_text(const char *file, int line, const char *what, const char *seen,
		      const char *expected);

/* The test's own directory: absolute, without symbolic links, readable by everyone. */
const char *live_directory(void);
/* A path below it. Valid until the end of the test; a few dozen at most. */
const char *live_path(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A directory elsewhere that is removed after the test (a cgroup). */
void live_remove_later(const char *path);
/* The path of a program of this build: "live_worker", "consctl", "storm". Literals only. */
const char *live_program(const char *name);
/* A number from the environment, for what a longer run has more of. */
unsigned live_setting(const char *name, unsigned absent);
/* So many processes, or fewer where PROCOBSRV_LIVE_STORM_COUNT asks for less than 200000. */
unsigned live_scaled(unsigned count);
/* So many rounds of the same, or fewer, but three, where PROCOBSRV_LIVE_PATIENCE is wanted. */
unsigned live_rounds(unsigned count);

/* Sets kernel.core_pattern until the end of the test. One test on a machine may do so at a time;
 * others wait. */
void live_core_pattern(const char *pattern);

/* Makes a file with this text. */
void live_write(const char *path, const char *text, unsigned mode);
void live_copy(const char *from, const char *to, unsigned mode);
/* A cgroup of the unified hierarchy, for this test alone. */
const char *live_cgroup(void);

uint64_t live_boot_ns(void);
void live_sleep_ms(unsigned milliseconds);
/*
 * For loops that wait for something: live_begin_wait() before, and live_goes_on() before each look
 * but the first; it sleeps so long, and is false when too much time has gone by for any machine.
 */
uint64_t live_begin_wait(void);
bool live_goes_on(uint64_t begin_ns, unsigned sleep_ms);

extern const struct live_test threads_tests[];
extern const struct live_test creation_tests[];
extern const struct live_test programs_tests[];
extern const struct live_test arguments_tests[];
extern const struct live_test endings_tests[];
extern const struct live_test identity_tests[];
extern const struct live_test existing_tests[];
extern const struct live_test storm_tests[];
extern const struct live_test traps_tests[];
extern const struct live_test pull_tests[];
extern const struct live_test watch_tests[];
extern const struct live_test resident_tests[];
extern const struct live_test replace_tests[];
extern const struct live_test refusals_tests[];
extern const struct live_test overflow_tests[];
extern const struct live_test capture_tests[];
extern const struct live_test scale_tests[];
extern const struct live_test backends_tests[];

#endif
