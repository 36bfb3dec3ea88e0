/* SPDX-License-Identifier: MIT */
/* Long strings that come in chunks, ahead of their record. */
#include "assembly.h"
#include "harness.h"

#include <string.h>

static struct assembly assembly;

static int end(void **state)
{
	(void)state;
	assembly_free(&assembly);
	return 0;
}

static void add(uint32_t cpu, uint64_t number, uint32_t string, uint64_t offset, const char *text,
		uint64_t position)
{
	const struct record_header header = {.cpu = cpu, .number = number};
	const struct record_chunk chunk = {.string = string, .offset = offset};
	const struct record_view view = {
	    .header = &header, .chunk = &chunk, .chunk_data = {text, (uint32_t)strlen(text)}};

	assembly_add(&assembly, &view, position);
}

/* What the record of this number gets: true, and texts that are as wanted. */
static bool gets(uint32_t cpu, uint64_t number, const char *argv, const char *env)
{
	const struct record_header header = {.cpu = cpu, .number = number};
	struct image_chunks chunks;

	if (!assembly_take(&assembly, &header, &chunks))
		return false;
	assert_int_equal(chunks.argv.size, strlen(argv));
	assert_int_equal(chunks.env.size, strlen(env));
	assert_true(!*argv || !memcmp(chunks.argv.data, argv, strlen(argv)));
	assert_true(!*env || !memcmp(chunks.env.data, env, strlen(env)));
	return true;
}

static void pieces_become_one(void **state)
{
	(void)state;
	assert_true(gets(0, 1, "", ""));
	add(0, 2, RECORD_STRING_ARGV, 0, "make ", 100);
	add(1, 2, RECORD_STRING_ARGV, 0, "of another cpu", 150);
	add(0, 2, RECORD_STRING_ENV, 0, "A=1", 200);
	add(0, 2, RECORD_STRING_ARGV, 5, "-j8", 300);
	assert_true(gets(0, 2, "make -j8", "A=1"));
	assert_true(gets(1, 2, "of another cpu", ""));
	assert_true(gets(0, 3, "", ""));
}

/* One without its beginning, one with a hole, one of a string that has no chunks. */
static void a_piece_that_is_lost_breaks_one_record(void **state)
{
	(void)state;
	add(0, 2, RECORD_STRING_ARGV, 5, "-j8", 100);
	assert_false(gets(0, 2, "", ""));
	add(0, 3, RECORD_STRING_ARGV, 0, "make", 200);
	add(0, 3, RECORD_STRING_ARGV, 6, "8", 300);
	assert_false(gets(0, 3, "", ""));
	add(0, 4, RECORD_STRING_CWD, 0, "/", 400);
	assert_false(gets(0, 4, "", ""));
	add(0, 5, RECORD_STRING_ARGV, 0, "make", 500);
	assert_true(gets(0, 5, "make", ""));
}

/* Its record was lost: the next one's takes their place. */
static void pieces_without_a_record_are_dropped(void **state)
{
	(void)state;
	add(0, 2, RECORD_STRING_ARGV, 0, "lost", 100);
	add(0, 2, RECORD_STRING_ARGV, 9, "and broken", 200);
	add(0, 3, RECORD_STRING_ARGV, 0, "make", 300);
	assert_true(gets(0, 3, "make", ""));
}

static void the_oldest_that_waits(void **state)
{
	(void)state;
	assert_int_equal(assembly_oldest(&assembly, 50), 50);
	add(0, 2, RECORD_STRING_ARGV, 0, "a", 100);
	add(0, 2, RECORD_STRING_ARGV, 1, "b", 200);
	add(1, 2, RECORD_STRING_ARGV, 0, "c", 300);
	assert_int_equal(assembly_oldest(&assembly, 400), 100);
	assert_true(gets(0, 2, "ab", ""));
	assert_int_equal(assembly_oldest(&assembly, 400), 300);
	assert_int_equal(assembly_oldest(&assembly, 300 + ASSEMBLY_PATIENCE - 1), 300);
	assert_int_equal(assembly_oldest(&assembly, 300 + ASSEMBLY_PATIENCE),
			 300 + ASSEMBLY_PATIENCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(pieces_become_one, NULL, end),
	    cmocka_unit_test_setup_teardown(a_piece_that_is_lost_breaks_one_record, NULL, end),
	    cmocka_unit_test_setup_teardown(pieces_without_a_record_are_dropped, NULL, end),
	    cmocka_unit_test_setup_teardown(the_oldest_that_waits, NULL, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
