/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum outcome { PASSED, FAILED, SKIPPED };

/* Where a test that ends early goes on; NULL on other threads. */
static _Thread_local jmp_buf *end_of_test;

void harness_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	fflush(stderr);
	if (!end_of_test) {
		fprintf(stderr, "this was on another thread than the test's: the program ends\n");
		fflush(stderr);
		_Exit(EXIT_FAILURE);
	}
	longjmp(*end_of_test, FAILED);
}

void harness_skip(void)
{
	if (!end_of_test)
		harness_fail(__FILE__, __LINE__, "a test is skipped on its own thread only");
	longjmp(*end_of_test, SKIPPED);
}

void harness_equal(uintmax_t left, uintmax_t right, int wanted, const char *text, const char *file,
		   int line)
{
	if ((left == right) != wanted)
		harness_fail(file, line, "%s: %#jx and %#jx", text, left, right);
}

void harness_strings(const char *left, const char *right, int wanted, const char *text,
		     const char *file, int line)
{
	if (!left || !right)
		harness_fail(file, line, "%s: one is NULL", text);
	if ((strcmp(left, right) == 0) != wanted)
		harness_fail(file, line, "%s: \"%s\" and \"%s\"", text, left, right);
}

void harness_memory(const void *left, const void *right, size_t size, const char *text,
		    const char *file, int line)
{
	const unsigned char *a = left, *b = right;

	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i])
			harness_fail(file, line, "%s: byte %zu of %zu is %#x and %#x", text, i,
				     size, a[i], b[i]);
}

static enum outcome run_one(const struct CMUnitTest *test, void *state)
{
	jmp_buf end;
	int jumped = setjmp(end);

	end_of_test = &end;
	if (!jumped) {
		if (test->set_up && test->set_up(&state))
			harness_fail(__FILE__, __LINE__, "%s: it could not be set up", test->name);
		test->run(&state);
		if (test->tear_down && test->tear_down(&state))
			harness_fail(__FILE__, __LINE__, "%s: it left something", test->name);
	}
	end_of_test = NULL;
	return jumped ? (enum outcome)jumped : PASSED;
}

int harness_run(const struct CMUnitTest *tests, size_t count, int (*set_up)(void **state),
		int (*tear_down)(void **state))
{
	void *state = NULL;
	size_t failed = 0;

	if (set_up && set_up(&state))
		harness_fail(__FILE__, __LINE__, "the tests could not be set up");
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++) {
		enum outcome outcome = run_one(&tests[i], state);

		printf("%s %zu - %s%s\n", outcome == FAILED ? "not ok" : "ok", i + 1, tests[i].name,
		       outcome == SKIPPED ? " # SKIP" : "");
		fflush(stdout);
		failed += outcome == FAILED;
	}
	if (tear_down && tear_down(&state))
		harness_fail(__FILE__, __LINE__, "the tests left something");
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
