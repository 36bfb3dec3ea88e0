/* SPDX-License-Identifier: MIT */
/* What the record forgets: by age, by size, with the texts that nobody names any more. */
#include "record_ground.h"

#include "harness.h"
#include "notice.h"
#include "os.h"
#include "record_clock.h"
#include "sample_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOUR_NS	   INT64_C(3600000000000)
#define DAY_EVENTS 40000
#define BATCH	   2000
#define MOST_BYTES (4 << 20)

static void tend(const struct open_sink *opened, int times)
{
	for (int i = 0; i < times; i++) {
		if (sink_record.tend(opened->sink))
			fail_msg("%s", procobsrv_explain());
	}
}

/* Until there is nothing to do any more: then a call does not use its time (100 ms), unless the
 * machine is busy with others. */
static void tend_to_the_end(const struct open_sink *opened)
{
	const uint64_t most_ns = 50000000;
	uint64_t begin_ns, passed_ns = most_ns;

	for (int i = 0; passed_ns >= most_ns; i++) {
		if (i == 600)
			fail_msg("it always finds something to do");
		begin_ns = os_monotonic_ns();
		tend(opened, 1);
		passed_ns = os_monotonic_ns() - begin_ns;
	}
}

static int64_t count(const struct record_place *place, const char *format, int64_t number)
{
	char sql[256];

	snprintf(sql, sizeof sql, format, number);
	return record_number(place->path, sql);
}

/* A day of events, of which six hours are kept. */
static void test_by_age(void **state)
{
	static const char *const settings[] = {"keep=6h", "max-size=0", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);

	(void)state;
	for (int at = 0; at < DAY_EVENTS; at += BATCH)
		record_write_day(&opened, day, BATCH);
	int64_t last_ns = record_number(place.path, "SELECT max(last_ns) FROM boots");
	int64_t limit_ns = last_ns - 6 * HOUR_NS;
	int64_t young =
	    count(&place, "SELECT count(*) FROM processes WHERE end_ns >= %" PRId64, limit_ns);
	int64_t running =
	    record_number(place.path, "SELECT count(*) FROM processes WHERE end_ns IS NULL");
	assert_true(count(&place, "SELECT count(*) FROM processes WHERE end_ns < %" PRId64,
			  limit_ns) > 5000);

	tend_to_the_end(&opened);
	assert_int_equal(
	    count(&place, "SELECT count(*) FROM processes WHERE end_ns < %" PRId64, limit_ns), 0);
	/* And none that is younger. */
	assert_int_equal(
	    record_number(place.path, "SELECT count(*) FROM processes WHERE end_ns IS NOT NULL"),
	    young);
	assert_int_equal(
	    record_number(place.path, "SELECT count(*) FROM processes WHERE end_ns IS NULL"),
	    running);
	record_check_whole(place.path);
	/* Of the texts a rest may wait until there are more. */
	assert_true(record_unnamed_texts(place.path) < 2500);
	assert_true(record_number(place.path, "SELECT count(*) FROM texts") < 8000);
	/* Room is given back. */
	assert_true(record_number(place.path, "SELECT freelist_count * 2 < page_count OR "
					      "freelist_count < 1100 FROM pragma_freelist_count, "
					      "pragma_page_count"));

	/* What is told of them now finds them gone, and is no harm. */
	record_write_day(&opened, day, BATCH);
	sink_close(&opened);
	record_check_whole(place.path);
	day_free(day);
	record_place_remove(&place);
}

/* As the service does it: batches, and tend() between them. */
static void test_by_size(void **state)
{
	static const char *const settings[] = {"max-size=4M", "cache-size=1M", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);
	uint64_t most = 0;

	(void)state;
	for (int at = 0; at < DAY_EVENTS; at += BATCH) {
		record_write_day(&opened, day, BATCH);
		tend(&opened, 1);
		uint64_t size = (uint64_t)record_number(
		    place.path, "SELECT page_count * page_size FROM pragma_page_count, "
				"pragma_page_size");
		most = size > most ? size : most;
	}
	if (most > MOST_BYTES)
		fail_msg("the file had %" PRIu64 " bytes", most);
	tend(&opened, 10);
	assert_true(sink_statistics_of(&opened).oldest_ns >
		    record_number(place.path, "SELECT min(start_ns) FROM processes"));
	sink_close(&opened);
	record_check_whole(place.path);
	/* The latest is there, the oldest is not; what runs is, however old. */
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes WHERE pid = 1"),
			 1);
	int64_t kept = record_number(place.path, "SELECT count(*) FROM execs");
	if (kept < 2000)
		fail_msg("no more than %" PRId64 " programs are kept", kept);
	assert_int_equal(
	    record_number(place.path,
			  "SELECT count(*) FROM processes WHERE end_ns > (SELECT max(last_ns) "
			  "FROM boots) - 60000000000") > 0,
	    1);
	day_free(day);
	record_place_remove(&place);
}

static struct procobsrv_process runner = {
    .id = "b-7-7",
    .present = PROCOBSRV_HAS_START | PROCOBSRV_HAS_PPID,
    .start_boot_ns = 7,
    .start_time_ns = SAMPLE_TIME_NS,
    .pid = 7,
    .name = "runner",
    .exe = "/bin/runner",
};

/* One that calls exec again and again never ends, and must not fill the disk either. */
static void test_programs_of_who_runs(void **state)
{
	static const char *const settings[] = {"keep=1h", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct procobsrv_event event = {
	    .kind = PROCOBSRV_EXEC, .process = &runner, .time_ns = SAMPLE_TIME_NS};
	char cursor[32];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(cursor, sizeof cursor, "1:%x", i + 1);
		event.cursor = cursor;
		event.time_ns += HOUR_NS / 60;
		runner.exec_id++;
		record_write_one(&opened, &event);
	}
	tend(&opened, 5);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 1);
	int64_t kept = record_number(place.path, "SELECT count(*) FROM execs");
	assert_true(kept >= 59 && kept <= 61);
	/* Its last one stays, however old. */
	event.kind = PROCOBSRV_START;
	struct procobsrv_process other = runner;
	other.id = "b-8-8";
	other.pid = 8;
	event.process = &other;
	event.time_ns += 100 * HOUR_NS;
	event.cursor = "1:fff";
	record_write_one(&opened, &event);
	tend(&opened, 5);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 1);
	sink_close(&opened);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* Nobody told of the ends of those that a boot took with it. */
static void test_earlier_boots(void **state)
{
	static const char *const settings[] = {"keep=1h", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct procobsrv_process process = runner;
	struct procobsrv_event event = {.kind = PROCOBSRV_EXISTING,
					.process = &process,
					.cursor = "1:1x1",
					.time_ns = SAMPLE_TIME_NS};

	(void)state;
	process.id = "aaaaaaaa-7-7";
	record_write_one(&opened, &event);
	process.id = "bbbbbbbb-7-7";
	event.time_ns += HOUR_NS / 2;
	record_write_one(&opened, &event);
	tend(&opened, 3);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 2);
	process.id = "bbbbbbbb-8-8";
	event.time_ns += HOUR_NS;
	record_write_one(&opened, &event);
	tend(&opened, 3);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes"), 2);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM processes WHERE "
						   "identity = 'aaaaaaaa-7-7'"),
			 0);
	sink_close(&opened);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* Without exits nothing ever ends, and the file is bounded all the same. */
static void test_without_exits(void **state)
{
	static const char *const settings[] = {"max-size=4M", "cache-size=1M", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);

	(void)state;
	for (int at = 0; at < DAY_EVENTS * 3 / 4; at += BATCH) {
		const struct procobsrv_event *const *events = day_next(day, BATCH);
		const struct procobsrv_event *chosen[BATCH];
		size_t chosen_count = 0;
		for (size_t i = 0; i < BATCH; i++) {
			if (events[i]->kind != PROCOBSRV_EXIT)
				chosen[chosen_count++] = events[i];
		}
		if (record_write(&opened, chosen, chosen_count))
			fail_msg("%s", procobsrv_explain());
		tend(&opened, 1);
	}
	tend_to_the_end(&opened);
	sink_close(&opened);
	record_check_whole(place.path);
	assert_true(record_number(place.path, "SELECT (page_count - freelist_count) * page_size "
					      "FROM pragma_page_count, pragma_freelist_count, "
					      "pragma_page_size") < MOST_BYTES);
	assert_true(record_number(place.path, "SELECT count(*) FROM processes") > 100);
	day_free(day);
	record_place_remove(&place);
}

/* One that ended long ago by the clock of now, and a moment ago by the one of then. */
static int64_t write_two_times(const struct record_place *place, int64_t long_ago_ns, int seq)
{
	static const char *const settings[] = {"keep=1h", NULL};
	struct open_sink opened = record_open(place, settings);
	struct procobsrv_process process = runner;
	const struct procobsrv_exit ended = {.has_status = true};
	char cursors[4][32];
	struct procobsrv_event event = {.process = &process, .exit = &ended};

	for (int i = 0; i < 4; i++) {
		snprintf(cursors[i], sizeof cursors[i], "1:%x", seq * 4 + i + 1);
		event.kind = i % 2 ? PROCOBSRV_EXIT : PROCOBSRV_START;
		event.cursor = cursors[i];
		event.time_ns = (i < 2 ? long_ago_ns : os_wall_ns()) + i;
		process.id = i < 2 ? "b-1-1" : "b-2-2";
		process.start_time_ns = event.time_ns;
		record_write_one(&opened, &event);
	}
	tend(&opened, 3);
	sink_close(&opened);
	return record_number(place->path,
			     "SELECT count(*) FROM processes WHERE identity = 'b-1-1'");
}

static void change(const struct record_place *place, const char *sql)
{
	sqlite3 *connection;

	assert_int_equal(sqlite3_open(place->path, &connection), SQLITE_OK);
	assert_int_equal(sqlite3_exec(connection, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_true(sqlite3_changes(connection) > 0);
	sqlite3_close(connection);
}

static void believe(const struct record_place *place, int64_t time_ns)
{
	char sql[128];

	snprintf(sql, sizeof sql,
		 "UPDATE state SET value = %" PRId64 " WHERE name = 'believed-time'", time_ns);
	change(place, sql);
}

/* The clock was set a year ahead: what was young a moment ago stays; not for ever. */
static void test_clock_set_ahead(void **state)
{
	struct record_place place = record_place_make();
	int64_t year_ago_ns = os_wall_ns() - 365 * 24 * HOUR_NS;

	(void)state;
	struct open_sink opened = record_open(&place, NULL);
	record_write_one(&opened, &(struct procobsrv_event){.kind = PROCOBSRV_START,
							    .process = &runner,
							    .cursor = "1:0",
							    .time_ns = year_ago_ns});
	sink_close(&opened);
	believe(&place, year_ago_ns);
	assert_int_equal(write_two_times(&place, year_ago_ns, 1), 1);
	/* It is kept over a restart that this is not to be believed. */
	int64_t believed_ns =
	    record_number(place.path, "SELECT value FROM state WHERE name = 'believed-time'");
	assert_true(believed_ns - year_ago_ns < 2 * HOUR_NS);
	believe(&place, os_wall_ns());
	assert_int_equal(write_two_times(&place, year_ago_ns, 2), 0);
	record_check_whole(place.path);
	record_place_remove(&place);
}

/* A full record has the times of a year to come: what happens now is kept in its place. */
static void test_clock_set_back(void **state)
{
	static const char *const settings[] = {"max-size=4M", "cache-size=1M", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);

	(void)state;
	for (int at = 0; at < DAY_EVENTS / 2; at += BATCH) {
		record_write_day(&opened, day, BATCH);
		tend(&opened, 1);
	}
	sink_close(&opened);
	change(&place, "UPDATE processes SET start_ns = start_ns + 31536000000000000, "
		       "end_ns = end_ns + 31536000000000000");
	opened = record_open(&place, settings);
	for (int at = 0; at < DAY_EVENTS / 2; at += BATCH) {
		record_write_day(&opened, day, BATCH);
		tend(&opened, 1);
	}
	tend(&opened, 10);
	sink_close(&opened);
	int64_t now_ns = os_wall_ns();
	assert_true(
	    count(&place, "SELECT count(*) FROM processes WHERE end_ns < %" PRId64, now_ns) > 2000);
	record_check_whole(place.path);
	day_free(day);
	record_place_remove(&place);
}

static void test_clock_follows(void **state)
{
	struct record_clock clock = {.believed_ns = 0, .boot_ns = 0};

	(void)state;
	record_clock_follow(&clock, HOUR_NS, HOUR_NS);
	assert_int_equal(clock.believed_ns, HOUR_NS);
	/* A year ahead, for an hour; and back. */
	record_clock_follow(&clock, 365 * 24 * HOUR_NS, 2 * HOUR_NS);
	assert_int_equal(clock.believed_ns, (1 + RECORD_CLOCK_SPEED) * HOUR_NS);
	record_clock_follow(&clock, 3 * HOUR_NS, 3 * HOUR_NS);
	assert_int_equal(clock.believed_ns, 3 * HOUR_NS);
	/* The machine was off for ten days. */
	record_clock_follow(&clock, 243 * HOUR_NS, 4 * HOUR_NS);
	assert_int_equal(clock.believed_ns, (3 + RECORD_CLOCK_SPEED) * HOUR_NS);
	record_clock_follow(&clock, 252 * HOUR_NS, 13 * HOUR_NS);
	assert_int_equal(clock.believed_ns, 252 * HOUR_NS);
}

static int notices;
static void count_notice(const char *line)
{
	notices += strstr(line, "the log beside") != NULL;
}

/* Another program leaves a transaction open: told once, and over when it ends. */
static void test_log_held(void **state)
{
	static const char *const settings[] = {"max-size=4M", "cache-size=1M", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);
	sqlite3 *reader;

	(void)state;
	notice_to(count_notice);
	record_write_day(&opened, day, BATCH);
	assert_int_equal(sqlite3_open(place.path, &reader), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM texts", NULL, NULL, NULL), SQLITE_OK);
	record_write_day(&opened, day, BATCH);
	for (int look = 0; look < 40; look++)
		tend(&opened, 1);
	struct sink_statistics held = sink_statistics_of(&opened);
	assert_int_equal(notices, 1);
	assert_true(held.bytes_held > 512 << 10 && held.bytes_held < held.bytes_used);
	sqlite3_close(reader);
	tend(&opened, 1);
	assert_int_equal(notices, 2);
	assert_int_equal(sink_statistics_of(&opened).bytes_held, 0);
	assert_int_equal(record_database_log_size(place.path), 0);
	notice_to(NULL);
	sink_close(&opened);
	record_check_whole(place.path);
	day_free(day);
	record_place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_age),
	    cmocka_unit_test(test_by_size),
	    cmocka_unit_test(test_programs_of_who_runs),
	    cmocka_unit_test(test_earlier_boots),
	    cmocka_unit_test(test_without_exits),
	    cmocka_unit_test(test_clock_set_ahead),
	    cmocka_unit_test(test_clock_set_back),
	    cmocka_unit_test(test_clock_follows),
	    cmocka_unit_test(test_log_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
