/* SPDX-License-Identifier: MIT */
/*
 * The part of cmocka's interface that the portable unit tests use, so that they run on every system
 * that the library runs on: cmocka is not to be had for all of them. An assertion that fails on
 * another thread than the test's own ends the program.
 */
#ifndef PROCOBSRV_TESTS_HARNESS_H
#define PROCOBSRV_TESTS_HARNESS_H

#include <stddef.h>
#include <stdint.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
	int (*set_up)(void **state); /* NULL: none; what is not 0 fails the test */
	int (*tear_down)(void **state);
};

#define cmocka_unit_test(function)                                                                 \
	{                                                                                          \
		.name = #function, .run = (function)                                               \
	}
#define cmocka_unit_test_setup_teardown(function, setup, teardown)                                 \
	{                                                                                          \
		.name = #function, .run = (function), .set_up = (setup), .tear_down = (teardown)   \
	}

/* Runs the tests in order and tells how each ended, as TAP: what main() returns. */
#define cmocka_run_group_tests(tests, set_up, tear_down)                                           \
	harness_run((tests), sizeof(tests) / sizeof((tests)[0]), (set_up), (tear_down))

#define assert_true(condition)	 harness_true(!!(condition), #condition, __FILE__, __LINE__)
#define assert_false(condition)	 harness_true(!(condition), "!(" #condition ")", __FILE__, __LINE__)
#define assert_null(pointer)	 harness_true(!(pointer), #pointer " is null", __FILE__, __LINE__)
#define assert_non_null(pointer) harness_true(!!(pointer), #pointer, __FILE__, __LINE__)
#define assert_ptr_equal(left, right)                                                              \
	harness_true((const void *)(left) == (const void *)(right), #left " == " #right, __FILE__, \
		     __LINE__)

#define assert_int_equal(left, right)                                                              \
	harness_equal((uintmax_t)(left), (uintmax_t)(right), 1, #left " == " #right, __FILE__,     \
		      __LINE__)
#define assert_int_not_equal(left, right)                                                          \
	harness_equal((uintmax_t)(left), (uintmax_t)(right), 0, #left " != " #right, __FILE__,     \
		      __LINE__)
#define assert_string_equal(left, right)                                                           \
	harness_strings((left), (right), 1, #left " == " #right, __FILE__, __LINE__)
#define assert_string_not_equal(left, right)                                                       \
	harness_strings((left), (right), 0, #left " != " #right, __FILE__, __LINE__)
#define assert_memory_equal(left, right, size)                                                     \
	harness_memory((left), (right), (size), #left " == " #right, __FILE__, __LINE__)

#define fail_msg(...) harness_fail(__FILE__, __LINE__, __VA_ARGS__)
#define skip()	      harness_skip()

/* What the macros above call. */
int harness_run(const struct CMUnitTest *tests, size_t count, int (*set_up)(void **state),
		int (*tear_down)(void **state));
_Noreturn void harness_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 3, 4)));
_Noreturn void harness_skip(void);
void harness_equal(uintmax_t left, uintmax_t right, int wanted, const char *text, const char *file,
		   int line);
void harness_strings(const char *left, const char *right, int wanted, const char *text,
		     const char *file, int line);
void harness_memory(const void *left, const void *right, size_t size, const char *text,
		    const char *file, int line);

static inline void harness_true(int condition, const char *text, const char *file, int line)
{
	if (!condition)
		harness_fail(file, line, "%s", text);
}

#endif
