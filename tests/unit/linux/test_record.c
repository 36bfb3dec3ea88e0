/* SPDX-License-Identifier: MIT */
/* The record: what it holds, exactly once, also after its writer was killed. */
#include "record_ground.h"

#include "harness.h"
#include "record_cursor.h"
#include "record_hash.h"
#include "record_schema.h"
#include "sample_events.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_EVENTS    6000
#define KILL_EVENTS   30000
#define KILLS_INITIAL 8

static void test_hash_is_siphash(void **state)
{
	uint8_t key[RECORD_HASH_KEY_SIZE], bytes[15];

	(void)state;
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	memcpy(bytes, key, sizeof bytes);
	/* The example of its authors. */
	assert_true((uint64_t)record_hash(key, bytes, 15) == UINT64_C(0xa129ca6149be45e5));
	assert_true((uint64_t)record_hash(key, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

static bool is_repeat(const char *cursor, const char *last)
{
	const struct record_cursor one = record_cursor_parse(cursor),
				   other = record_cursor_parse(last);

	return record_cursor_is_repeat(&one, &other);
}

static void test_cursors(void **state)
{
	static const char *const wrong[] = {"",	    ":",    "1",      "1:",	":1",
					    "g:1",  "1:g",  "1:1x",   "1:1x1 ", "-1:1",
					    "1:-1", "1:1:", "1:1l1:", "1:1:1x", NULL};
	char text[RECORD_CURSOR_SIZE];

	(void)state;
	for (int i = 0; wrong[i]; i++)
		assert_false(record_cursor_parse(wrong[i]).known);
	assert_false(record_cursor_parse(NULL).known);
	struct record_cursor cursor = record_cursor_parse("ffffffffffffffff:abc");
	record_cursor_write(&cursor, text);
	assert_string_equal(text, "ffffffffffffffff:abc");

	cursor = record_cursor_parse("a:10:f");
	assert_true(cursor.known && !cursor.sort && cursor.has_lost && cursor.lost == 15);
	record_cursor_write(&cursor, text);
	assert_string_equal(text, "a:10:f");

	assert_true(is_repeat("a:10", "a:10"));
	assert_true(is_repeat("a:f", "a:10"));
	assert_false(is_repeat("a:11", "a:10"));
	assert_false(is_repeat("b:10", "a:10"));
	assert_true(is_repeat("a:10l1", "a:10"));   /* the gap before that record */
	assert_false(is_repeat("a:10t5", "a:10"));  /* the gap after it */
	assert_false(is_repeat("a:10r99", "a:10")); /* known by identity */
	assert_false(is_repeat("a:10x99", "a:10"));
	assert_false(is_repeat("a:1", ""));
}

/* Batches that begin before where the last one ended. */
static void test_repeats_are_left_out(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct day *day = record_day(DAY_EVENTS);
	const struct procobsrv_event *const *events = day_next(day, DAY_EVENTS);

	(void)state;
	assert_non_null(events);
	for (size_t at = 0; at < DAY_EVENTS;) {
		size_t back = (size_t)rand() % 700, count = 1 + (size_t)rand() % 900;
		size_t begin = at > back ? at - back : 0;
		if (begin + count > DAY_EVENTS)
			count = DAY_EVENTS - begin;
		assert_int_equal(record_write(&opened, events + begin, count), 0);
		if (begin + count > at)
			at = begin + count;
	}
	assert_int_equal(sink_statistics_of(&opened).written, DAY_EVENTS);
	sink_close(&opened);

	/* And after it was opened again. */
	opened = record_open(&place, NULL);
	assert_int_equal(record_write(&opened, events, DAY_EVENTS), 0);
	assert_int_equal(sink_statistics_of(&opened).written, 0);
	sink_close(&opened);
	day_free(day);
	record_check_whole(place.path);
	record_check_day(place.path, DAY_EVENTS, DAY_EVENTS);
	record_place_remove(&place);
}

static void write_gap(const struct record_place *place, const char *own, const char *cursor,
		      uint64_t starts, uint64_t exits, uint64_t unknown)
{
	struct open_sink opened = record_open(place, NULL);
	const struct procobsrv_lost lost = {.count = starts + exits + unknown,
					    .start = starts,
					    .exit = exits,
					    .unknown = unknown,
					    .stage = "kernel",
					    .reason = "full"};
	const struct procobsrv_process process = {
	    .id = "b-1-1", .pid = 1, .start_time_ns = 1, .name = "one"};

	if (own)
		record_write_one(&opened, &(struct procobsrv_event){.kind = PROCOBSRV_START,
								    .process = &process,
								    .time_ns = 1,
								    .cursor = own});
	record_write_one(
	    &opened, &(struct procobsrv_event){
			 .kind = PROCOBSRV_LOST, .lost = &lost, .time_ns = 2, .cursor = cursor});
	sink_close(&opened);
}

/* Told when nothing came any more; then the service died, and its next run tells of the same
 * losses before the next record of each cpu: what was told is told once. */
static void test_gaps_told_twice(void **state)
{
	struct record_place place = record_place_make();

	(void)state;
	write_gap(&place, "1:1", "1:1t5:3", 2, 1, 0);
	write_gap(&place, NULL, "1:2l0:2", 2, 0, 0); /* of one cpu, all of it known */
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 3);
	write_gap(&place, NULL, "1:3l0:5", 1, 2, 0); /* of another: two more */
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 5);
	write_gap(&place, NULL, "1:3t9:7", 2, 2, 0); /* another run, and again two more */
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 7);
	assert_int_equal(
	    record_number(place.path, "SELECT sum(starts + exits) = sum(count) FROM losses"), 1);
	/* An event in between changes nothing; holes in the numbers have no count. */
	write_gap(&place, "1:4", "1:5l0:7", 0, 0, 4);
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 11);
	write_gap(&place, "1:6", "1:6t9:8", 1, 0, 0);
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 12);
	/* Another stream has other counts. */
	write_gap(&place, "2:1", "2:2l0:4", 4, 0, 0);
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 16);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* What a process that is killed shares with the one that kills it. */
struct shared {
	_Atomic uint64_t begun;	    /* events handed to write() */
	_Atomic uint64_t committed; /* events that write() has taken */
};

static _Noreturn void write_until_killed(const struct record_place *place, uint64_t from,
					 struct shared *shared)
{
	struct open_sink opened = record_open(place, NULL);
	struct day *day = record_day(KILL_EVENTS);

	if (from)
		day_next(day, from);
	for (uint64_t at = from; at < KILL_EVENTS;) {
		size_t count = 1 + (size_t)rand() % 400;
		if (count > KILL_EVENTS - at)
			count = KILL_EVENTS - at;
		shared->begun = at + count;
		if (sink_record.write(opened.sink, day_next(day, count), count))
			_exit(1);
		at += count;
		shared->committed = at;
	}
	sink_record.close(opened.sink);
	_exit(0);
}

/* Whether the writer came to the end of the day. */
static bool write_and_kill(const struct record_place *place, uint64_t from, struct shared *shared,
			   bool to_the_end)
{
	int status;

	shared->begun = shared->committed = from;
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child)
		write_until_killed(place, from, shared);
	if (!to_the_end) {
		usleep(20000 + (unsigned)rand() % 100000);
		kill(child, SIGKILL);
	}
	assert_true(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFEXITED(status);
}

static unsigned kills_wanted(void)
{
	const char *wanted = getenv("PROCOBSRV_RECORD_KILLS");

	return wanted ? (unsigned)atoi(wanted) : KILLS_INITIAL;
}

/* Ground truth: what write() had taken is there, what it was given may be, all of it once. */
static void test_killed_at_any_moment(void **state)
{
	struct record_place place = record_place_make();
	struct shared *shared =
	    mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t position = 0, begun = 0;
	unsigned seed = (unsigned)getpid();

	(void)state;
	assert_true(shared != MAP_FAILED);
	srand(seed);
	for (unsigned kills = 0; kills < kills_wanted(); kills++) {
		/* The next one begins where the kernel would: at or before what was safe. */
		uint64_t back = (uint64_t)rand() % 300;
		uint64_t from = position > back ? position - back : 0;
		bool ended = write_and_kill(&place, from, shared, false);
		/* Killed before there was anything? */
		if (access(place.path, F_OK) ||
		    !record_number(place.path, "SELECT count(*) FROM sqlite_schema"))
			continue;
		record_check_whole(place.path);
		position = record_day_position(place.path);
		if (position < shared->committed && shared->committed > from)
			fail_msg("%u: %llu were safe, %llu are there (seed %u)", kills,
				 (unsigned long long)shared->committed,
				 (unsigned long long)position, seed);
		if (shared->begun > begun)
			begun = shared->begun;
		assert_true(position <= begun);
		if (ended)
			position = 0; /* all of it once more */
	}
	assert_true(write_and_kill(&place, 0, shared, true));
	record_check_whole(place.path);
	record_check_day(place.path, KILL_EVENTS, KILL_EVENTS);
	munmap(shared, sizeof *shared);
	record_place_remove(&place);
}

/* ---- single events ---- */

static struct procobsrv_process made_process(const char *id, uint32_t pid, uint64_t exec_id)
{
	return (struct procobsrv_process){
	    .id = id,
	    .present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_CREDENTIALS,
	    .start_boot_ns = pid,
	    .start_time_ns = SAMPLE_TIME_NS + pid,
	    .pid = pid,
	    .ppid = pid - 1,
	    .name = "first",
	    .exe = "/bin/first",
	    .exec_id = exec_id,
	};
}

static struct procobsrv_event made_event_of(enum procobsrv_kind kind, const char *cursor,
					    const struct procobsrv_process *process)
{
	return (struct procobsrv_event){
	    .kind = kind, .cursor = cursor, .time_ns = SAMPLE_TIME_NS + 1000, .process = process};
}

/* Who exists is told at each start of the service. */
static void test_existing_ones_are_known(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct procobsrv_process process = made_process("b-2-2", 2, 5);
	struct procobsrv_event event = made_event_of(PROCOBSRV_EXISTING, "1:0x1", &process);

	(void)state;
	record_write_one(&opened, &event);
	event.cursor = "1:0x2";
	record_write_one(&opened, &event);
	sink_close(&opened);
	opened = record_open(&place, NULL);
	event.cursor = "2:0x3";
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 1);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 1);

	/* What it ran when nobody looked. */
	process.exe = "/bin/second";
	process.exec_id = 6;
	record_write_one(&opened, &event);
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 1);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 2);
	/* An older look is no news. */
	process.exe = "/bin/first";
	process.exec_id = 5;
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path,
				       "SELECT bytes = CAST('/bin/second' AS BLOB) FROM processes "
				       "JOIN texts ON texts.id = exe"),
			 1);
	sink_close(&opened);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* A parent that no event of its own has told of yet. */
static void test_parents_come_later(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct procobsrv_process parent = made_process("b-2-2", 2, 5),
				 child = made_process("b-3-3", 3, 5);
	struct procobsrv_process nameless = {.id = "b-1-0", .pid = 1, .name = ""};
	struct procobsrv_event event = made_event_of(PROCOBSRV_START, "1:10", &child);

	(void)state;
	event.parent = &parent;
	record_write_one(&opened, &event);
	assert_int_equal(
	    record_number(place.path, "SELECT origin FROM processes WHERE identity = 'b-2-2'"), 0);
	event = made_event_of(PROCOBSRV_EXISTING, "1:10x5", &parent);
	event.parent = &nameless;
	record_write_one(&opened, &event);
	assert_int_equal(
	    record_number(place.path, "SELECT origin FROM processes WHERE identity = 'b-2-2'"), 1);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 2);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes AS p JOIN "
						   "processes AS c ON c.parent = p.id"),
			 1);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 1);
	sink_close(&opened);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* What a resync concludes may be told twice, and be corrected by who comes late. */
static void test_conclusions(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct procobsrv_process process = made_process("b-2-2", 2, 5);
	struct procobsrv_exit unknown = {0}, status = {.has_status = 1, .code = 3};
	struct procobsrv_event event = made_event_of(PROCOBSRV_START, "1:10r1", &process);

	(void)state;
	event.flags = PROCOBSRV_EVENT_SYNTHETIC;
	for (int times = 0; times < 2; times++) {
		event.kind = PROCOBSRV_START;
		record_write_one(&opened, &event);
		event.kind = PROCOBSRV_EXEC;
		process.exec_id = 6;
		record_write_one(&opened, &event);
	}
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 1);
	event.kind = PROCOBSRV_EXIT;
	event.exit = &unknown;
	record_write_one(&opened, &event);
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path, "SELECT end_ns IS NOT NULL AND code IS NULL "
						   "FROM processes"),
			 1);
	event = made_event_of(PROCOBSRV_EXIT, "1:20", &process);
	event.exit = &status;
	record_write_one(&opened, &event);
	event = made_event_of(PROCOBSRV_EXIT, "1:20r7", &process);
	event.exit = &unknown;
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path, "SELECT code FROM processes"), 3);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 1);
	sink_close(&opened);
	record_check_whole(place.path);
	record_place_remove(&place);
}

static void test_every_kind_of_event(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct made_event gap;

	(void)state;
	for (int i = 0; sample_events[i]; i++)
		record_write_one(&opened, sample_events[i]);
	made_event_fill(&gap, &sample_lost, 7, 100);
	record_write_one(&opened, &gap.event);
	record_write_one(&opened, &gap.event);
	sink_close(&opened);
	record_check_whole(place.path);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM losses"), 2);
	assert_int_equal(record_number(place.path, "SELECT sum(count) FROM losses"), 38);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM attempts"), 1);
	/* Bytes that are no text of any encoding are there as they were. */
	assert_int_equal(record_number(place.path,
				       "SELECT count(*) FROM execs JOIN texts ON texts.id = argv "
				       "WHERE bytes = x'fffe0000610a6200'"),
			 1);
	assert_int_equal(
	    record_number(place.path, "SELECT count(*) FROM execs JOIN texts ON texts.id = missing "
				      "WHERE hex(bytes) = hex('argv=truncated') || '00' || "
				      "hex('interpreter=no room') || '00'"),
	    1);
	record_place_remove(&place);
}

static void test_boots(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct procobsrv_process first = made_process("aaaaaaaa-2-2", 2, 5),
				 second = made_process("bbbbbbbb-2-2", 2, 5);
	struct procobsrv_event event = made_event_of(PROCOBSRV_START, "1:10", &first);

	(void)state;
	record_write_one(&opened, &event);
	event = made_event_of(PROCOBSRV_START, "2:10", &second);
	event.time_ns += 5000;
	record_write_one(&opened, &event);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM boots"), 2);
	assert_int_equal(record_number(place.path,
				       "SELECT count(DISTINCT boot) FROM processes WHERE end_ns IS "
				       "NULL"),
			 2);
	assert_int_equal(record_number(place.path, "SELECT last_ns FROM boots ORDER BY id"),
			 SAMPLE_TIME_NS + 1000);
	sink_close(&opened);
	record_place_remove(&place);
}

/* ---- versions ---- */

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *connection;

	assert_int_equal(sqlite3_open(path, &connection), 0);
	if (sqlite3_exec(connection, sql, NULL, NULL, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(connection));
	sqlite3_close(connection);
}

/* What a service that was killed while it made the file leaves behind: nothing but whose it is. */
static void test_version_0(void **state)
{
	struct record_place place = record_place_make();

	(void)state;
	run_sql(place.path, "PRAGMA application_id = 1349668706");
	struct open_sink opened = record_open(&place, NULL);
	record_write_one(&opened, &sample_exec);
	sink_close(&opened);
	assert_int_equal(record_number(place.path, "PRAGMA user_version"), 1);
	assert_int_equal(record_place_count(&place, "corrupt"), 0);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* From one version to the next, with what is in it; a step that fails changes nothing. */
static void test_steps(void **state)
{
	static const struct record_step good[] = {
	    {"CREATE TABLE a (x)"},
	    {"ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x * 2"},
	    {"CREATE TABLE b (z); INSERT INTO b SELECT y FROM a"},
	};
	static const struct record_step bad[] = {
	    {"CREATE TABLE a (x)"},
	    {"ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x * 2; UPDATE nobody SET y = 1"},
	};
	sqlite3 *connection;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &connection), 0);
	assert_int_equal(record_migrate(connection, good, 1), 0);
	assert_int_equal(sqlite3_exec(connection, "INSERT INTO a VALUES (21)", NULL, NULL, NULL),
			 0);
	assert_int_not_equal(record_migrate(connection, bad, 2), 0);
	assert_int_not_equal(sqlite3_exec(connection, "SELECT y FROM a", NULL, NULL, NULL), 0);
	assert_int_equal(record_migrate(connection, good, 3), 0);

	sqlite3_stmt *statement;
	assert_int_equal(sqlite3_prepare_v2(connection,
					    "SELECT z, (SELECT user_version FROM "
					    "pragma_user_version) FROM b",
					    -1, &statement, NULL),
			 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(statement, 0), 42);
	assert_int_equal(sqlite3_column_int(statement, 1), 3);
	sqlite3_finalize(statement);
	sqlite3_close(connection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hash_is_siphash),
	    cmocka_unit_test(test_cursors),
	    cmocka_unit_test(test_gaps_told_twice),
	    cmocka_unit_test(test_repeats_are_left_out),
	    cmocka_unit_test(test_killed_at_any_moment),
	    cmocka_unit_test(test_existing_ones_are_known),
	    cmocka_unit_test(test_parents_come_later),
	    cmocka_unit_test(test_conclusions),
	    cmocka_unit_test(test_every_kind_of_event),
	    cmocka_unit_test(test_boots),
	    cmocka_unit_test(test_version_0),
	    cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
