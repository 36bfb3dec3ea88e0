/* SPDX-License-Identifier: MIT */
/* What a reader that was killed leaves of its table, and what the next one makes of it. */
#include "checkpoint.h"
#include "ground.h"
#include "harness.h"
#include "os.h"
#include "records.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM 42

struct fixture {
	char *directory;
	struct dispatch before;
	struct dispatch after;
	struct checkpoint *writer;
	struct checkpoint *reader;
	struct test_observer observer;
	uint64_t position;
};

static void drop(struct event *event, void *param)
{
	(void)param;
	procobsrv_event_unref(&event->public);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	fixture->directory = directory_make();
	assert_int_equal(dispatch_init(&fixture->before), 0);
	assert_int_equal(dispatch_init(&fixture->after), 0);
	fixture->before.deliver = fixture->after.deliver = drop;
	assert_int_equal(checkpoint_create(fixture->directory, &fixture->writer), 0);
	assert_int_equal(checkpoint_create(fixture->directory, &fixture->reader), 0);
	*state = fixture;
	return 0;
}

static int remove_file(const char *path, void *param)
{
	(void)param;
	file_remove(path);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	checkpoint_destroy(fixture->writer);
	checkpoint_destroy(fixture->reader);
	dispatch_free(&fixture->before);
	dispatch_free(&fixture->after);
	os_directory_visit(fixture->directory, "procobsrv-", remove_file, NULL);
	directory_remove(fixture->directory);
	free(fixture);
	return 0;
}

/* As the taker does: into the file first, then dealt with. */
static void deal_with(struct fixture *fixture, const struct test_record *record)
{
	struct source_record lent = record_lend(record, fixture->position);

	fixture->position += record->size;
	assert_int_equal(checkpoint_append(fixture->writer, &lent, 1, fixture->position), 0);
	dispatch_record(&fixture->before, STREAM, &lent);
}

static void exec(struct fixture *fixture, uint32_t pid, uint64_t start_ns)
{
	struct test_record record;
	char exe[16];

	snprintf(exe, sizeof exe, "p%u", pid);
	record_build_start(&fixture->observer, &record, pid, start_ns, 1, 1);
	deal_with(fixture, &record);
	record_build_exec(&fixture->observer, &record, pid, start_ns, 2,
			  &(struct test_image){.exe = exe, .argv = "a\0b c", .argv_size = 6});
	deal_with(fixture, &record);
}

static void leave(struct fixture *fixture, uint32_t pid, uint64_t start_ns)
{
	struct test_record record;

	record_build_exit(&fixture->observer, &record, pid, start_ns, 0);
	deal_with(fixture, &record);
}

/* The writer is killed: its lock goes, its files stay. */
static int take_over(struct fixture *fixture, uint64_t position)
{
	checkpoint_destroy(fixture->writer);
	fixture->writer = NULL;
	return checkpoint_load(fixture->reader, &fixture->after, STREAM, position);
}

static void expect_process(struct fixture *fixture, uint32_t pid, uint64_t start_ns)
{
	const struct process_entry *entry =
	    process_table_find_identity(&fixture->after.table, pid, start_ns);
	char exe[16];

	snprintf(exe, sizeof exe, "/p%u", pid);
	assert_non_null(entry);
	assert_string_equal(entry->process->exe, exe);
	assert_int_equal(entry->process->argc, 2);
	assert_string_equal(entry->process->argv[1], "b c");
	assert_int_equal(entry->process->uid, 1000);
	assert_string_equal(entry->process->name, "test");
}

static void table_and_numbers_come_back(void **state)
{
	struct fixture *fixture = *state;

	exec(fixture, 10, 100);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	exec(fixture, 11, 200);
	leave(fixture, 10, 100);
	assert_int_equal(take_over(fixture, fixture->position), 0);

	assert_int_equal(fixture->after.table.count, 1);
	expect_process(fixture, 11, 200);
	assert_int_equal(fixture->after.gaps.sequences[0].number, 5);
	assert_int_equal(fixture->after.gaps.read, 5);
}

static void what_was_not_acknowledged_is_left_out(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(checkpoint_begin(fixture->writer, &fixture->before, STREAM, 0), 0);
	exec(fixture, 10, 100);
	uint64_t acknowledged = fixture->position;
	leave(fixture, 10, 100);
	exec(fixture, 11, 200);
	assert_int_equal(take_over(fixture, acknowledged), 0);

	/* Its exit is going to be read again, and then bears its exe. */
	assert_int_equal(fixture->after.table.count, 1);
	expect_process(fixture, 10, 100);
	assert_int_equal(fixture->after.gaps.sequences[0].number, 2);
}

/* Two observers of one ring, while one replaces the other. */
static void repeat(struct fixture *fixture, uint32_t pid, uint64_t start_ns, bool again)
{
	struct test_record record;

	for (int turn = 0; turn < 1 + again; turn++) {
		record_build_start(&fixture->observer, &record, pid, start_ns, 1, 1);
		deal_with(fixture, &record);
	}
}

static void repeats_are_known_after_a_death(void **state)
{
	struct fixture *fixture = *state;

	fixture->before.drop_repeats = fixture->after.drop_repeats = true;
	repeat(fixture, 10, 100, true);
	repeat(fixture, 11, 200, false);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	repeat(fixture, 11, 200, false); /* of the last before the file */
	repeat(fixture, 12, 300, true);
	assert_int_equal(take_over(fixture, fixture->position), 0);

	assert_int_equal(fixture->after.gaps.repeats, 3);
	assert_int_equal(gaps_accounted(&fixture->after.gaps), 3);
	assert_int_equal(fixture->after.gaps.read, 6);
	assert_int_equal(fixture->before.counters.seq, 3);
	assert_int_equal(fixture->before.counters.repeats, 3);
}

static void file_grows_no_further_than_it_must(void **state)
{
	struct fixture *fixture = *state;
	uint64_t late = 0;

	exec(fixture, 5, 50);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	for (uint32_t i = 0; i < 20000; i++) {
		exec(fixture, 10, 1000 + i);
		late = fixture->position;
		leave(fixture, 10, 1000 + i);
		/* Acknowledged one record later than dealt with. */
		assert_int_equal(
		    checkpoint_advance(fixture->writer, &fixture->before, fixture->position, late),
		    0);
	}
	assert_int_equal(take_over(fixture, late), 0);
	assert_int_equal(fixture->after.gaps.sequences[0].number,
			 fixture->before.gaps.sequences[0].number - 1);
	expect_process(fixture, 5, 50);
}

static void another_stream_is_none_of_ours(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(checkpoint_begin(fixture->writer, &fixture->before, STREAM + 1, 0), 0);
	assert_int_equal(take_over(fixture, 0), PROCOBSRV_ERROR_NOT_FOUND);
}

static void one_that_begins_too_late_is_not_taken(void **state)
{
	struct fixture *fixture = *state;

	exec(fixture, 10, 100);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	assert_int_equal(take_over(fixture, fixture->position - 1), PROCOBSRV_ERROR_NOT_FOUND);
}

struct damage {
	uint64_t offset;
	bool cut;
};

static int damage_file(const char *path, void *param)
{
	const struct damage *damage = param;
	FILE *file = fopen(path, "r+b");

	assert_non_null(file);
	if (damage->cut) {
		assert_int_equal(ftruncate(fileno(file), (long)damage->offset), 0);
	} else {
		fseek(file, (long)damage->offset, SEEK_SET);
		fputc(0xff, file);
	}
	fclose(file);
	return 0;
}

static void damage_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct damage damage = {.offset = 100};

	exec(fixture, 10, 100);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	checkpoint_destroy(fixture->writer);
	fixture->writer = NULL;
	assert_int_equal(os_directory_visit(fixture->directory, "procobsrv-", damage_file, &damage),
			 0);
	assert_int_equal(
	    checkpoint_load(fixture->reader, &fixture->after, STREAM, fixture->position),
	    PROCOBSRV_ERROR_CORRUPT);
}

/* The groups that were told are known to who takes over, though nobody can be asked any more. */
static void groups_outlive_their_reader(void **state)
{
	struct fixture *fixture = *state;

	assert_true(cgroup_table_put(&fixture->before.cgroups, 77, "/lxc.payload.gone", 17));
	assert_int_equal(checkpoint_begin(fixture->writer, &fixture->before, STREAM, 0), 0);
	exec(fixture, 10, 100);
	assert_int_equal(take_over(fixture, fixture->position), 0);
	expect_process(fixture, 10, 100);
	assert_string_equal(cgroup_table_find(&fixture->after.cgroups, 77)->path,
			    "/lxc.payload.gone");
	assert_string_equal(cgroup_table_find(&fixture->after.cgroups, 77)->container_id, "gone");
}

/* Reads on; returns the position of the last record, and that it resumed behind each of them. */
static uint64_t follow(struct fixture *fixture, struct checkpoint_follower *follower,
		       uint64_t limit, uint64_t last, size_t expected)
{
	struct source_record record;
	uint64_t resume = 0, position = 0;
	int error;

	while (!(error = checkpoint_follow_next(follower, limit, last, &record, &resume))) {
		position = record.position;
		assert_true(position <= limit);
		assert_true(resume == (position == last ? 0 : position + record.size));
		dispatch_record(&fixture->after, STREAM, &record);
		expected--;
	}
	assert_int_equal(error, PROCOBSRV_ERROR_ENDED);
	assert_int_equal(expected, 0);
	return position;
}

/* What is written is read again beside it, by who is not to see more than was said. */
static void the_writer_is_followed(void **state)
{
	struct fixture *fixture = *state;
	struct checkpoint_follower *follower;
	uint64_t places[4];

	exec(fixture, 9, 90);
	assert_int_equal(
	    checkpoint_begin(fixture->writer, &fixture->before, STREAM, fixture->position), 0);
	for (uint32_t i = 0; i < 4; i++) {
		places[i] = fixture->position;
		exec(fixture, 10 + i, 100 * (i + 1));
	}
	assert_int_equal(
	    checkpoint_follow(fixture->directory, STREAM, places[1], &fixture->after, &follower),
	    0);
	assert_int_equal(fixture->after.table.count, 1);
	expect_process(fixture, 9, 90);
	/* Two of each exec(); a limit between two records, and one that is a record. */
	assert_true(follow(fixture, follower, places[1] - 1, places[3], 2) < places[1]);
	assert_true(follow(fixture, follower, places[3], places[3], 5) == places[3]);
	follow(fixture, follower, places[3], places[3], 0);
	assert_int_equal(fixture->after.table.count, 5);
	uint64_t last = fixture->position;
	exec(fixture, 20, 2000);
	follow(fixture, follower, last, last, 2);
	expect_process(fixture, 13, 400);
	assert_null(process_table_find(&fixture->after.table, 20)->process->exe);
	checkpoint_unfollow(follower);
}

/* One file has it all, though another had been begun to take its place. */
static void what_is_kept_is_in_one_file(void **state)
{
	struct fixture *fixture = *state;
	struct checkpoint_follower *follower;

	assert_int_equal(checkpoint_begin(fixture->writer, &fixture->before, STREAM, 0), 0);
	while (checkpoint_size(fixture->writer) < 5u << 20) {
		exec(fixture, 10, fixture->position);
		assert_int_equal(
		    checkpoint_advance(fixture->writer, &fixture->before, fixture->position, 0), 0);
	}
	uint64_t before = checkpoint_size(fixture->writer);
	uint64_t first = fixture->position;
	checkpoint_keep(fixture->writer);
	assert_true(checkpoint_size(fixture->writer) < before);
	exec(fixture, 11, 1);
	assert_int_equal(
	    checkpoint_follow(fixture->directory, STREAM, first, &fixture->after, &follower), 0);
	assert_int_equal(fixture->after.table.count, 0);
	checkpoint_unfollow(follower);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(table_and_numbers_come_back),
	    TEST(what_was_not_acknowledged_is_left_out),
	    TEST(repeats_are_known_after_a_death),
	    TEST(file_grows_no_further_than_it_must),
	    TEST(another_stream_is_none_of_ours),
	    TEST(one_that_begins_too_late_is_not_taken),
	    TEST(damage_is_told),
	    TEST(groups_outlive_their_reader),
	    TEST(the_writer_is_followed),
	    TEST(what_is_kept_is_in_one_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
