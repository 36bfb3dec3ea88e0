/* SPDX-License-Identifier: MIT */
/* The files of JSON lines, held against what consctl verify says of them. */
#include "json_lines_ground.h"

#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_whole_file(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);

	(void)state;
	assert_int_equal(write_range(&opened, 1, 50, 0), 0);
	assert_int_equal(write_range(&opened, 51, 100, 7), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 119), 0);
	assert_int_equal(write_one(&opened, &sample_exec, 120), 0);
	assert_int_equal(sink_statistics_of(&opened).written, 95);
	sink_close(&opened);
	expect_verified(&place, 3, "94 events, 19 lost, 0 missing, 0 things");
	remove_place(&place);
}

static void test_rotation_by_size(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-size=20K", "keep=1000");
	size_t count;

	(void)state;
	for (uint64_t seq = 1; seq < 700; seq += 10)
		assert_int_equal(write_range(&opened, seq, seq + 9, 11), 0);
	sink_close(&opened);
	count = count_files(&place);
	assert_true(count > 7);
	expect_verified(&place, 0, "complete: 637 events");

	/* The oldest of them go. */
	opened = open_at(&place, "rotate-size=20K", "keep=3");
	assert_int_equal(count_files(&place), 4);
	assert_true(sink_statistics_of(&opened).bytes_used > 60000);
	assert_true(sink_statistics_of(&opened).bytes_used < 90000);
	assert_true(sink_statistics_of(&opened).oldest_ns > 0);
	assert_int_equal(write_range(&opened, 701, 710, 11), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "0 things");
	remove_place(&place);
}

static void test_rotation_by_age(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-age=50ms", NULL);

	(void)state;
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(write_range(&opened, 1, 5, 0), 0);
	sleep_ms(60);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 2);
	/* One without lines stays. */
	sleep_ms(60);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 2);
	assert_int_equal(write_range(&opened, 6, 9, 0), 0);
	sink_close(&opened);
	/* A file's age is known after a restart. */
	sleep_ms(60);
	opened = open_at(&place, "rotate-age=50ms", NULL);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 3);
	sink_close(&opened);
	expect_verified(&place, 0, "complete: 9 events");
	remove_place(&place);
}

/* However the clock was set, names are in the order of the lines. */
static void test_clock_set_back(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-size=1", NULL);
	char future[600];

	(void)state;
	assert_int_equal(write_range(&opened, 1, 5, 0), 0);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	struct files files = files_of(&place);
	snprintf(future, sizeof future, "%s-29991231T235959Z", place.path);
	assert_int_equal(rename(files.paths[0], future), 0);
	free_files(&files);
	assert_int_equal(write_range(&opened, 6, 9, 0), 0);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	sink_close(&opened);
	assert_int_equal(count_files(&place), 3);
	expect_verified(&place, 0, "complete: 9 events");
	remove_place(&place);
}

/* What the run before had written comes again, since it was killed before it could say so. */
static void test_repeats(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	struct made_event other;
	const struct procobsrv_event *pointer = &other.event;

	(void)state;
	assert_int_equal(write_range(&opened, 1, 30, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 49), 0);
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(write_range(&opened, 20, 30, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 49), 0);
	assert_int_equal(write_range(&opened, 50, 60, 0), 0);
	assert_int_equal(write_range(&opened, 55, 62, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 11 + 1 + 6);
	assert_int_equal(sink_statistics_of(&opened).written, 13);
	/* Another stream has numbers of its own. */
	made_event_fill(&other, &sample_exec, STREAM + 1, 1);
	assert_int_equal(opened.operations->write(opened.sink, &pointer, 1), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "44 events, 19 lost, 0 missing, 0 things");
	remove_place(&place);
}

/* Who exists when a run begins is told at a place where the stream stood then: "0x..." is no
 * number. */
static void test_existing_at_the_beginning(void **state)
{
	struct place place = make_place();
	struct procobsrv_event existing = sample_existing;
	const struct procobsrv_event *pointer = &existing;
	struct open_sink opened;

	(void)state;
	existing.seq = 0;
	existing.cursor = "abcd:0x16f3a5b2c1d4";
	for (uint64_t seq = 1; seq < 40; seq += 10) {
		opened = open_at(&place, NULL, NULL);
		assert_int_equal(opened.operations->write(opened.sink, &pointer, 1), 0);
		assert_int_equal(write_range(&opened, seq, seq + 9, 0), 0);
		assert_int_equal(sink_statistics_of(&opened).suppressed, 0);
		sink_close(&opened);
		existing.seq = seq + 9;
	}
	expect_verified(&place, 0, "complete: 40 events");
	remove_place(&place);
}

/* A run that is killed leaves no end line, and its lock goes with it. */
static int write_and_die(const char *directory)
{
	struct place place = {0};
	const char *settings[] = {place.path_setting, NULL};

	snprintf(place.path_setting, sizeof place.path_setting, "path=%s%cevents.jsonl", directory,
		 ground_separator);
	struct open_sink opened = sink_open(&sink_json_lines, settings);
	if (write_range(&opened, 1, 10, 4))
		return 1;
	be_killed();
}

static void test_cut_off(void **state)
{
	struct place place = make_place();
	uint32_t process;

	(void)state;
	for (size_t cut = 0; cut < 1200; cut += 371) {
		assert_int_equal(role_run("writer", place.directory, &process), ROLE_KILLED);
		file_cut(place.path, file_bytes(place.path) - cut);
		struct open_sink opened = open_at(&place, NULL, NULL);
		assert_int_equal(write_range(&opened, 1, 19, 4), 0);
		sink_close(&opened);
		expect_verified(&place, 0, "complete: 15 events");
		assert_int_equal(remove(place.path), 0);
	}
	remove_place(&place);
}

static void test_foreign_files(void **state)
{
	static const char foreign[] = "root:x:0:0:root:/root:/bin/sh\n";
	struct place place = make_place();
	char other[600];

	(void)state;
	file_write_private(place.path, foreign, sizeof foreign - 1);
	expect_refused(&place, PROCOBSRV_ERROR_CORRUPT, "does not hold JSON lines");
	assert_int_equal(file_bytes(place.path), sizeof foreign - 1);
	snprintf(other, sizeof other, "%s-other", place.path);
	file_link(place.path, other);
	expect_refused(&place, PROCOBSRV_ERROR_PERMISSION, "hard link");
	assert_int_equal(file_bytes(place.path), sizeof foreign - 1);
	remove_place(&place);
}

static void test_two_services(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);

	(void)state;
	expect_refused(&place, PROCOBSRV_ERROR_BUSY, "in use");
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	sink_close(&opened);
	remove_place(&place);
}

static void test_wrong_settings(void **state)
{
	static const char *const wrong[] = {"format=xml", "mode=0644x", "mode=0755",
					    "mode=0044",  "mode=-1",	"group=no-such-group"};
	struct place place = make_place();

	(void)state;
	for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
		const char *assignments[] = {place.path_setting, wrong[at], NULL};
		struct setting_value *values = sink_values(&sink_json_lines, assignments);
		struct sink *sink = NULL;

		assert_true(sink_json_lines.open(values, &sink) < 0);
		assert_null(sink);
		free(values);
	}
	remove_place(&place);
}

/* As logrotate does it: another name and a signal, another name and none. */
static void test_rotated_by_others(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	char aside[600];

	(void)state;
	assert_int_equal(opened.operations->reopen(opened.sink), 0);
	for (unsigned number = 1; number <= 3; number++) {
		assert_int_equal(write_range(&opened, number * 10, number * 10 + 9, 5), 0);
		snprintf(aside, sizeof aside, "%s-%u", place.path, number);
		assert_int_equal(rename(place.path, aside), 0);
		/* What comes until then goes into the file that it was. */
		assert_int_equal(write_range(&opened, number * 10 + 10, number * 10 + 10, 0), 0);
		assert_int_equal(number == 1 ? opened.operations->tend(opened.sink)
					     : opened.operations->reopen(opened.sink),
				 0);
	}
	assert_int_equal(write_range(&opened, 41, 49, 0), 0);
	sink_close(&opened);
	expect_verified(&place, 0, "complete: 36 events");
	assert_int_equal(count_files(&place), 4);
	remove_place(&place);
}

/* Documents of ECS go on where they were too, and a change of the format begins a file. */
static void test_ecs(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "format=ecs", NULL);

	(void)state;
	assert_int_equal(write_range(&opened, 1, 20, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 39), 0);
	sink_close(&opened);
	file_cut(place.path, file_bytes(place.path) - 5);
	opened = open_at(&place, "format=ecs", NULL);
	assert_int_equal(write_range(&opened, 10, 20, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 39), 0);
	assert_int_equal(write_range(&opened, 40, 45, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 12);
	sink_close(&opened);
	assert_int_equal(count_files(&place), 1);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(count_files(&place), 2);
	assert_int_equal(write_range(&opened, 44, 50, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 2);
	sink_close(&opened);
	remove_place(&place);
}

/* Events with whatever a process may choose, and those without a cursor. */
static void test_samples(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	size_t count = 0;

	(void)state;
	while (sample_events[count])
		count++;
	assert_int_equal(opened.operations->write(opened.sink, sample_events, count), 0);
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(opened.operations->write(opened.sink, sample_events, count), 0);
	assert_int_equal(sink_statistics_of(&opened).written, count);
	sink_close(&opened);
	remove_place(&place);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"writer", write_and_die}, {NULL, NULL}};
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_rotation_by_size),
	    cmocka_unit_test(test_rotation_by_age),
	    cmocka_unit_test(test_clock_set_back),
	    cmocka_unit_test(test_repeats),
	    cmocka_unit_test(test_existing_at_the_beginning),
	    cmocka_unit_test(test_cut_off),
	    cmocka_unit_test(test_foreign_files),
	    cmocka_unit_test(test_two_services),
	    cmocka_unit_test(test_wrong_settings),
	    cmocka_unit_test(test_rotated_by_others),
	    cmocka_unit_test(test_ecs),
	    cmocka_unit_test(test_samples),
	};

	role_play_if_asked(argc, argv, roles);
	json_lines_consctl = argc > 1 ? argv[1] : "build/consctl/consctl";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
