/* SPDX-License-Identifier: MIT */
/* Which records of two observers of one ring say the same. */
#include "harness.h"
#include "repeats.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OLDER 0
#define NEWER RECORD_OTHER

static struct repeats repeats;
static uint64_t number;
static uint64_t now_ns;

static int begin(void **state)
{
	(void)state;
	number = 0;
	now_ns = 1000000000;
	return 0;
}

static int end(void **state)
{
	(void)state;
	repeats_free(&repeats);
	return 0;
}

static bool feed(enum record_kind kind, uint32_t writer, uint32_t thread_pid)
{
	const struct record_header header = {
	    .kind = (uint16_t)kind,
	    .flags = writer,
	    .cpu = 1,
	    .number = ++number,
	    .time_ns = now_ns += 1000,
	};
	const struct record_body body = {.process = {.pid = 7, .start_ns = 70}, .exec_id = 3};
	const struct record_image image = {.thread_pid = thread_pid};
	const struct record_view view = {.header = &header, .body = &body, .image = &image};

	return repeats_feed(&repeats, &view);
}

static bool fails(uint32_t writer)
{
	return feed(RECORD_EXEC_FAILED, writer, 7);
}

static void what_happens_once_is_told_once(void **state)
{
	(void)state;
	assert_false(feed(RECORD_START, OLDER, 7));
	assert_true(feed(RECORD_START, NEWER, 7));
	assert_false(feed(RECORD_EXIT, OLDER, 7));
	assert_true(feed(RECORD_EXIT, OLDER, 7)); /* by a version that does not mark its own */
	number++;
	assert_false(feed(RECORD_EXIT, NEWER, 7));
}

static void failures_alike_are_told_each(void **state)
{
	(void)state;
	assert_false(fails(OLDER));
	assert_false(fails(OLDER)); /* alone until here */
	assert_true(fails(NEWER));
	assert_false(fails(OLDER));
	assert_true(fails(NEWER));
	assert_false(fails(NEWER)); /* alone from here on */
	assert_false(fails(NEWER));
}

static void failures_of_two_threads_are_two(void **state)
{
	(void)state;
	assert_false(fails(OLDER));
	assert_false(feed(RECORD_EXEC_FAILED, NEWER, 8));
}

/* Nothing failed while both observed. */
static void failures_far_apart_are_two(void **state)
{
	(void)state;
	assert_false(fails(OLDER));
	now_ns += REPEATS_APART_NS;
	assert_false(fails(NEWER));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(what_happens_once_is_told_once),
	    TEST(failures_alike_are_told_each),
	    TEST(failures_of_two_threads_are_two),
	    TEST(failures_far_apart_are_two),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
