/* SPDX-License-Identifier: MIT */
/* From records to events: what the kernel would write goes in, what users see comes out. */
#include "dispatch.h"
#include "harness.h"
#include "records.h"
#include "resync.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 64

struct fixture {
	struct dispatch dispatch;
	struct test_observer observer;
	const struct procobsrv_event *events[EVENTS_MAX];
	size_t count;
	uint64_t position;
};

static void keep(struct event *event, void *param)
{
	struct fixture *fixture = param;

	assert_true(fixture->count < EVENTS_MAX);
	fixture->events[fixture->count++] = &event->public;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_int_equal(dispatch_init(&fixture->dispatch), 0);
	fixture->dispatch.kinds = PROCOBSRV_KINDS_ALL;
	fixture->dispatch.deliver = keep;
	fixture->dispatch.param = fixture;
	fixture->observer.time_ns = 1000000;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->count; i++)
		procobsrv_event_unref(fixture->events[i]);
	dispatch_free(&fixture->dispatch);
	free(fixture);
	return 0;
}

static void feed(struct fixture *fixture, const struct test_record *record)
{
	struct source_record lent = record_lend(record, fixture->position);

	fixture->position += record->size;
	dispatch_record(&fixture->dispatch, 7, &lent);
}

static void feed_start(struct fixture *fixture, uint32_t pid, uint64_t start, uint32_t ppid,
		       uint64_t parent_start)
{
	struct test_record record;

	record_build_start(&fixture->observer, &record, pid, start, ppid, parent_start);
	feed(fixture, &record);
}

static void feed_exec(struct fixture *fixture, uint32_t pid, uint64_t start, uint64_t exec_id,
		      const char *exe)
{
	struct test_record record;

	record_build_exec(&fixture->observer, &record, pid, start, exec_id,
			  &(struct test_image){.exe = exe, .argv = "x\0y", .argv_size = 4});
	feed(fixture, &record);
}

static void feed_exit(struct fixture *fixture, uint32_t pid, uint64_t start, uint32_t code)
{
	struct test_record record;

	record_build_exit(&fixture->observer, &record, pid, start, code);
	feed(fixture, &record);
}

static void life_of_a_process(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	feed_exec(fixture, 10, 100, 2, "ls");
	feed_exit(fixture, 10, 100, 3);

	assert_int_equal(fixture->count, 3);
	assert_int_equal(fixture->events[0]->kind, PROCOBSRV_START);
	assert_int_equal(fixture->events[1]->kind, PROCOBSRV_EXEC);
	assert_string_equal(fixture->events[1]->process->exe, "/ls");
	assert_int_equal(fixture->events[1]->process->argc, 2);
	assert_string_equal(fixture->events[1]->process->argv[1], "y");
	assert_null(fixture->events[1]->process->argv[2]);
	assert_int_equal(fixture->events[2]->kind, PROCOBSRV_EXIT);
	assert_int_equal(fixture->events[2]->exit->code, 3);
	assert_string_equal(fixture->events[2]->process->exe, "/ls");
	assert_string_equal(fixture->events[0]->process->id, fixture->events[2]->process->id);
	assert_int_equal(fixture->events[2]->seq, 3);
	assert_int_equal(fixture->dispatch.table.count, 0);
	/* The start was before the exec: an immutable snapshot of then. */
	assert_null(fixture->events[0]->process->exe);
}

/* An observer that could not ask any more when it began. */
static void exit_without_a_start_is_of_who_has_the_pid(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 50);
	feed_exit(fixture, 10, 0, 3);
	assert_int_equal(fixture->count, 2);
	assert_string_equal(fixture->events[1]->process->id, fixture->events[0]->process->id);
	assert_int_equal(fixture->events[1]->exit->code, 3);
	assert_int_equal(fixture->dispatch.table.count, 0);
}

static void child_shares_its_parents_image(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	feed_exec(fixture, 10, 100, 2, "sh");
	feed_start(fixture, 11, 200, 10, 100);

	assert_string_equal(fixture->events[2]->process->exe, "/sh");
	assert_true(fixture->events[2]->process->flags & PROCOBSRV_PROCESS_FORKED);
	assert_string_equal(fixture->events[2]->parent->id, fixture->events[1]->process->id);
	feed_exit(fixture, 11, 200, 0);
	assert_true(fixture->events[3]->process->flags & PROCOBSRV_PROCESS_FORKED);
}

static void gap_is_told_in_place_and_by_kind(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	fixture->observer.number += 5;
	fixture->observer.lost[RECORD_LOST_INDEX(RECORD_START)] += 2;
	fixture->observer.lost[RECORD_LOST_INDEX(RECORD_EXIT)] += 3;
	feed_exec(fixture, 10, 100, 2, "ls");

	assert_int_equal(fixture->count, 3);
	const struct procobsrv_event *lost = fixture->events[1];
	assert_int_equal(lost->kind, PROCOBSRV_LOST);
	assert_int_equal(lost->lost->first, 2);
	assert_int_equal(lost->lost->count, 5);
	assert_int_equal(lost->lost->start, 2);
	assert_int_equal(lost->lost->exit, 3);
	assert_int_equal(lost->seq, 6);
	assert_int_equal(fixture->events[2]->seq, 7);
	assert_true(fixture->dispatch.gap_seen);
	assert_int_equal(fixture->dispatch.counters.lost, 5);
}

static void hole_without_counters_is_of_unknown_kind(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	fixture->observer.number += 1;
	feed_start(fixture, 11, 101, 1, 1);
	assert_int_equal(fixture->events[1]->kind, PROCOBSRV_LOST);
	assert_int_equal(fixture->events[1]->lost->unknown, 1);
}

static void what_the_queue_gave_up_is_told_once(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	feed_start(fixture, 10, 100, 1, 1);
	record_build_gap(&record, RECORD_GAP_QUEUE, RECORD_START, 3);
	feed(fixture, &record);
	fixture->observer.number += 3;
	feed_start(fixture, 14, 104, 1, 1);
	assert_int_equal(fixture->count, 3);
	assert_int_equal(fixture->events[1]->lost->start, 3);
	assert_string_equal(fixture->events[1]->lost->stage, "queue");
	assert_int_equal(fixture->events[2]->seq, 5);
	assert_int_equal(fixture->dispatch.counters.lost, 3);
}

/* The counters have grown by what was told before: no more is missing than numbers are. */
static void counters_tell_no_more_than_the_numbers(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	fixture->observer.lost[RECORD_LOST_INDEX(RECORD_START)] += 3;
	feed_start(fixture, 11, 101, 1, 1);
	assert_int_equal(fixture->count, 2);
	fixture->observer.number += 2;
	fixture->observer.lost[RECORD_LOST_INDEX(RECORD_EXIT)] += 3;
	feed_start(fixture, 12, 102, 1, 1);
	assert_int_equal(fixture->count, 4);
	assert_int_equal(fixture->events[2]->lost->count, 2);
	assert_int_equal(fixture->events[2]->lost->unknown, 2);
}

static void each_cpu_has_its_own_numbers(void **state)
{
	struct fixture *fixture = *state;
	struct test_observer other = {.cpu = 3, .time_ns = 500};
	struct test_record record;

	feed_start(fixture, 10, 100, 1, 1);
	record_build_start(&other, &record, 20, 300, 1, 1);
	feed(fixture, &record);
	feed_start(fixture, 11, 101, 1, 1);
	assert_int_equal(fixture->count, 3);
	assert_int_equal(fixture->dispatch.counters.lost, 0);
}

static void trailing_loss_is_told_from_the_counters(void **state)
{
	struct fixture *fixture = *state;
	static struct source_statistics statistics;
	struct record_gap gap;

	feed_start(fixture, 10, 100, 1, 1);
	memset(&statistics, 0, sizeof statistics);
	statistics.sequence_count = 1;
	statistics.sequences[0].number = 3;
	statistics.sequences[0].lost[RECORD_LOST_INDEX(RECORD_EXIT)] = 2;
	assert_true(gaps_trailing(&fixture->dispatch.gaps, &statistics, &gap));
	fixture->dispatch.count_lost = true;
	dispatch_gap(&fixture->dispatch, &gap);
	assert_int_equal(fixture->events[1]->lost->exit, 2);
	/* What a later reader, who tells of them before the next record, has in common with it. */
	assert_string_equal(strrchr(fixture->events[1]->cursor, ':'), ":2");
	assert_false(gaps_trailing(&fixture->dispatch.gaps, &statistics, &gap));

	/* The next record must not tell them again. */
	fixture->observer.number = 3;
	fixture->observer.lost[RECORD_LOST_INDEX(RECORD_EXIT)] = 2;
	feed_start(fixture, 11, 101, 1, 1);
	assert_int_equal(fixture->count, 3);
	assert_int_equal(fixture->events[2]->kind, PROCOBSRV_START);
}

static void long_arguments_come_in_chunks(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	record_build_chunk(&fixture->observer, &record, RECORD_STRING_ARGV, 0, "first\0sec", 9);
	feed(fixture, &record);
	record_build_chunk(&fixture->observer, &record, RECORD_STRING_ARGV, 9, "ond\0", 4);
	feed(fixture, &record);
	record_build_exec(&fixture->observer, &record, 10, 100, 2,
			  &(struct test_image){.exe = "e", .argv = "last", .argv_size = 5});
	feed(fixture, &record);

	assert_int_equal(fixture->count, 1);
	const struct procobsrv_process *process = fixture->events[0]->process;
	assert_int_equal(process->argc, 3);
	assert_string_equal(process->argv[0], "first");
	assert_string_equal(process->argv[1], "second");
	assert_string_equal(process->argv[2], "last");
}

static void arguments_with_a_lost_chunk_do_not_pass_for_whole(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	record_build_chunk(&fixture->observer, &record, RECORD_STRING_ARGV, 9, "ond\0", 4);
	feed(fixture, &record);
	record_build_exec(&fixture->observer, &record, 10, 100, 2,
			  &(struct test_image){.exe = "e", .argv = "last", .argv_size = 5});
	feed(fixture, &record);

	const struct procobsrv_process *process = fixture->events[0]->process;
	assert_null(process->argv);
	assert_int_equal(process->missing_count, 1);
	assert_string_equal(process->missing[0].field, "argv");
	assert_string_equal(process->missing[0].reason, "no room");
}

static bool tell_argv(const struct record_identity *identity, struct buffer *buffer)
{
	assert_int_equal(identity->pid, 10);
	buffer_append(buffer, "asked\0for", 10);
	return true;
}

static void unreadable_arguments_are_asked_for(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	for (int round = 0; round < 2; round++) {
		record_build_exec(&fixture->observer, &record, 10, 100, 2,
				  &(struct test_image){.exe = "e"});
		struct record_image *image = (void *)(record.data + sizeof(struct record_header) +
						      sizeof(struct record_body));
		image->missing |= (uint32_t)RECORD_MISSING_UNREADABLE
				  << RECORD_MISSING_SHIFT(RECORD_STRING_ARGV);
		feed(fixture, &record);
		fixture->dispatch.read_argv = tell_argv;
	}
	assert_null(fixture->events[0]->process->argv);
	assert_string_equal(fixture->events[0]->process->missing[0].reason, "unreadable");
	assert_int_equal(fixture->events[1]->process->argc, 2);
	assert_string_equal(fixture->events[1]->process->argv[1], "for");
	assert_int_equal(fixture->events[1]->process->missing_count, 0);
}

static void script_names_itself_and_its_interpreter(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	record_build_exec(&fixture->observer, &record, 10, 100, 2,
			  &(struct test_image){.exe = "dash",
					       .filename = "./run.sh",
					       .interpreter = "/bin/sh",
					       .argv = "a",
					       .argv_size = 2});
	feed(fixture, &record);
	const struct procobsrv_process *process = fixture->events[0]->process;
	assert_string_equal(process->script, "./run.sh");
	assert_string_equal(process->interpreter, "/bin/sh");
	assert_null(process->filename);
}

static void reused_pid_ends_its_former_holder(void **state)
{
	struct fixture *fixture = *state;

	feed_start(fixture, 10, 100, 1, 1);
	feed_start(fixture, 10, 900, 1, 1);
	assert_int_equal(fixture->count, 3);
	assert_int_equal(fixture->events[1]->kind, PROCOBSRV_EXIT);
	assert_int_equal(fixture->events[1]->flags, PROCOBSRV_EVENT_SYNTHETIC);
	assert_int_equal(fixture->events[1]->exit->has_status, 0);
	assert_string_equal(fixture->events[1]->process->id, fixture->events[0]->process->id);
	assert_string_not_equal(fixture->events[2]->process->id, fixture->events[0]->process->id);
	assert_int_equal(fixture->dispatch.table.count, 1);
}

static void kinds_that_are_not_wanted_are_counted(void **state)
{
	struct fixture *fixture = *state;

	fixture->dispatch.kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT);
	feed_start(fixture, 10, 100, 1, 1);
	feed_exec(fixture, 10, 100, 2, "ls");
	feed_exit(fixture, 10, 100, 0);
	assert_int_equal(fixture->count, 1);
	assert_int_equal(fixture->events[0]->seq, 3);
	assert_string_equal(fixture->events[0]->process->exe, "/ls");
	assert_int_equal(fixture->dispatch.counters.filtered, 2);
	assert_int_equal(fixture->dispatch.counters.delivered, 1);
}

static void tree_is_followed_by_descent(void **state)
{
	struct fixture *fixture = *state;

	fixture->dispatch.root_pid = 10;
	feed_start(fixture, 10, 100, 1, 1);
	feed_start(fixture, 11, 200, 10, 100);
	feed_start(fixture, 12, 300, 1, 1); /* foreign */
	feed_exit(fixture, 10, 100, 0);
	feed_start(fixture, 13, 400, 11, 200); /* of an orphan */
	feed_exit(fixture, 12, 300, 0);
	feed_exit(fixture, 13, 400, 0);
	assert_false(fixture->dispatch.tree_ended);
	feed_exit(fixture, 11, 200, 0);
	assert_true(fixture->dispatch.tree_ended);
	/* Of the root itself nothing: it has not called exec. */
	assert_int_equal(fixture->count, 4);
	assert_int_equal(fixture->dispatch.counters.filtered, 4);
}

static void root_is_told_once_it_has_called_exec(void **state)
{
	struct fixture *fixture = *state;

	fixture->dispatch.root_pid = 10;
	feed_start(fixture, 10, 100, 1, 1);
	feed_exec(fixture, 10, 100, 2, "make");
	feed_exit(fixture, 10, 100, 0);
	assert_int_equal(fixture->count, 2);
	assert_int_equal(fixture->events[0]->kind, PROCOBSRV_EXEC);
	assert_int_equal(fixture->events[1]->kind, PROCOBSRV_EXIT);
}

static void damaged_record_is_told_as_lost(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	record_build_start(&fixture->observer, &record, 10, 100, 1, 1);
	((struct record_header *)record.data)->size += 8;
	feed(fixture, &record);
	assert_int_equal(fixture->events[0]->kind, PROCOBSRV_LOST);
	assert_string_equal(fixture->events[0]->lost->stage, "monitor");
}

static void snapshot(struct resync *resync, const struct test_record *records, size_t count)
{
	memset(resync, 0, sizeof *resync);
	resync->began_ns = 5000;
	for (size_t i = 0; i < count; i++) {
		buffer_append(&resync->records, records[i].data, records[i].size);
		buffer_append(&resync->records, "\0\0\0\0\0\0\0", -records[i].size & 7);
	}
}

static void resync_tells_the_differences(void **state)
{
	struct fixture *fixture = *state;
	struct test_record running[5];
	struct resync resync;

	feed_start(fixture, 10, 100, 1, 1);  /* runs on, has called exec meanwhile */
	feed_start(fixture, 11, 200, 1, 1);  /* is gone */
	feed_start(fixture, 12, 9000, 1, 1); /* started after the snapshot */
	feed_start(fixture, 15, 250, 1, 1);  /* on its way out */
	fixture->dispatch.note_exits = true;
	feed_exit(fixture, 14, 400, 0); /* in the snapshot, but its exit was told since */
	size_t before = fixture->count;

	record_build_existing(&running[0], 14, 400, 1, 2, 0);
	record_build_existing(&running[1], 20, 600, 13, 2, RECORD_PROCESS_EXECED);
	record_build_existing(&running[2], 10, 100, 1, 2, 0);
	record_build_existing(&running[3], 13, 500, 1, 1, 0);
	record_build_existing(&running[4], 15, 250, 1, 1, RECORD_PROCESS_EXITING);
	snapshot(&resync, running, 5);
	resync_conclude(&resync, &fixture->dispatch);

	static const struct {
		enum procobsrv_kind kind;
		uint32_t pid;
	} expected[] = {
	    {PROCOBSRV_EXIT, 11},  {PROCOBSRV_EXEC, 10}, {PROCOBSRV_START, 13},
	    {PROCOBSRV_START, 20}, {PROCOBSRV_EXEC, 20},
	};
	assert_int_equal(fixture->count - before, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(fixture->events[before + i]->kind, expected[i].kind);
		assert_int_equal(fixture->events[before + i]->process->pid, expected[i].pid);
		assert_int_equal(fixture->events[before + i]->flags, PROCOBSRV_EVENT_SYNTHETIC);
		assert_int_equal(fixture->events[before + i]->seq, 5);
	}
	assert_int_equal(fixture->dispatch.table.count, 5); /* 10, 12, 13, 15, 20 */

	/* Still on its way out at the next look: then its exit was lost. */
	snapshot(&resync, running, 5);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->events[before + 5]->kind, PROCOBSRV_EXIT);
	assert_int_equal(fixture->events[before + 5]->process->pid, 15);
}

/* It is listed before its start is told: as a rule that comes, and only once. */
static void a_start_under_way_is_left_to_the_stream(void **state)
{
	struct fixture *fixture = *state;
	struct test_record running[2];
	struct resync resync;

	record_build_existing(&running[0], 10, 100, 1, 1, RECORD_PROCESS_STARTING);
	record_build_existing(&running[1], 11, 200, 1, 1, RECORD_PROCESS_STARTING);
	snapshot(&resync, running, 2);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 0);
	assert_true(fixture->dispatch.gap_seen);

	feed_start(fixture, 10, 100, 1, 1);
	record_build_existing(&running[0], 10, 100, 1, 1, 0);
	record_build_existing(&running[1], 11, 200, 1, 1, 0);
	snapshot(&resync, running, 2);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 2);
	assert_int_equal(fixture->events[0]->flags, 0);
	assert_int_equal(fixture->events[1]->process->pid, 11);
	assert_int_equal(fixture->events[1]->flags, PROCOBSRV_EVENT_SYNTHETIC);
}

/* The clock has ticks, and pids have wrapped. */
static void parents_come_first(void **state)
{
	static const uint32_t expected[] = {40, 30, 31, 9, 20};
	struct fixture *fixture = *state;
	struct test_record running[5];
	struct resync resync;

	record_build_existing(&running[0], 9, 100, 31, 1, 0);
	record_build_existing(&running[1], 30, 100, 40, 1, 0);
	record_build_existing(&running[2], 31, 100, 30, 1, 0);
	record_build_existing(&running[3], 40, 100, 1, 1, 0);
	record_build_existing(&running[4], 20, 200, 9, 1, 0);
	snapshot(&resync, running, 5);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(fixture->events[i]->process->pid, expected[i]);
}

/* The one of the list has ended, and another has its pid: the stream told that already. */
static void who_has_the_pid_now_stays(void **state)
{
	struct fixture *fixture = *state;
	struct test_record running;
	struct resync resync;

	feed_start(fixture, 30, 9000, 1, 1);
	record_build_existing(&running, 30, 100, 1, 1, 0);
	snapshot(&resync, &running, 1);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 1);
	assert_int_equal(process_table_find(&fixture->dispatch.table, 30)->process->start_boot_ns,
			 9000);
}

/* Damage could make two processes each other's parent. */
static void a_circle_of_parents_ends(void **state)
{
	struct fixture *fixture = *state;
	struct test_record running[2];
	struct resync resync;

	record_build_existing(&running[0], 30, 100, 31, 1, 0);
	record_build_existing(&running[1], 31, 100, 30, 1, 0);
	snapshot(&resync, running, 2);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(life_of_a_process),
	    TEST(exit_without_a_start_is_of_who_has_the_pid),
	    TEST(child_shares_its_parents_image),
	    TEST(gap_is_told_in_place_and_by_kind),
	    TEST(hole_without_counters_is_of_unknown_kind),
	    TEST(what_the_queue_gave_up_is_told_once),
	    TEST(counters_tell_no_more_than_the_numbers),
	    TEST(each_cpu_has_its_own_numbers),
	    TEST(trailing_loss_is_told_from_the_counters),
	    TEST(long_arguments_come_in_chunks),
	    TEST(arguments_with_a_lost_chunk_do_not_pass_for_whole),
	    TEST(unreadable_arguments_are_asked_for),
	    TEST(script_names_itself_and_its_interpreter),
	    TEST(reused_pid_ends_its_former_holder),
	    TEST(kinds_that_are_not_wanted_are_counted),
	    TEST(tree_is_followed_by_descent),
	    TEST(root_is_told_once_it_has_called_exec),
	    TEST(damaged_record_is_told_as_lost),
	    TEST(resync_tells_the_differences),
	    TEST(a_start_under_way_is_left_to_the_stream),
	    TEST(parents_come_first),
	    TEST(who_has_the_pid_now_stays),
	    TEST(a_circle_of_parents_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
