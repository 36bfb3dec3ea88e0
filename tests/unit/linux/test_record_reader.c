/* SPDX-License-Identifier: MIT */
/* The reader of the record: what the sink was told comes out again, by the indexes alone. */
#include "record_ground.h"

#include "error.h"
#include "harness.h"
#include "record_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_EVENTS 9000
#define RUNS_MOST  DAY_EVENTS

static struct record_place place;
static struct record_reader *reader;
static sqlite3 *oracle; /* the same file, asked in the simplest way */

static int open_day(void **state)
{
	struct open_sink opened;
	struct day *day = record_day(DAY_EVENTS);

	(void)state;
	place = record_place_make();
	opened = record_open(&place, NULL);
	record_write_day(&opened, day, DAY_EVENTS);
	day_free(day);
	sink_close(&opened);
	if (record_reader_open(place.path, &reader))
		fail_msg("%s", procobsrv_explain());
	assert_int_equal(sqlite3_open_v2(place.path, &oracle, SQLITE_OPEN_READWRITE, NULL), 0);
	return 0;
}

static int close_day(void **state)
{
	(void)state;
	record_reader_close(reader);
	sqlite3_close(oracle);
	record_place_remove(&place);
	return 0;
}

static int64_t ask(const char *sql)
{
	sqlite3_stmt *statement;
	int64_t answer;

	if (sqlite3_prepare_v2(oracle, sql, -1, &statement, NULL) ||
	    sqlite3_step(statement) != SQLITE_ROW)
		fail_msg("%s: %s", sql, sqlite3_errmsg(oracle));
	answer = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return answer;
}

/* ---- lives ---- */

static bool same_text(const char *one, const char *other)
{
	return one == other || (one && other && !strcmp(one, other));
}

static void check_vector(const char *const *one, size_t count, const char *const *other,
			 size_t other_count)
{
	assert_int_equal(count, other_count);
	assert_true(!one == !other);
	for (size_t index = 0; one && other && index < count; index++)
		assert_string_equal(one[index], other[index]);
}

static void check_image(const struct procobsrv_process *read, const struct procobsrv_process *told)
{
	assert_true(same_text(read->name, told->name));
	assert_true(same_text(read->exe, told->exe));
	assert_true(same_text(read->cwd, told->cwd));
	check_vector(read->argv, read->argc, told->argv, told->argc);
	assert_int_equal(read->uid, told->uid);
	assert_int_equal(read->euid, told->euid);
	assert_true(same_text(read->cgroup, told->cgroup));
}

static void check_event(const struct procobsrv_event *read, const struct procobsrv_event *told)
{
	assert_int_equal(read->kind, told->kind);
	assert_true(read->time_ns == told->time_ns || told->kind == PROCOBSRV_START);
	assert_string_equal(read->process->id, told->process->id);
	assert_int_equal(read->process->pid, told->process->pid);
	assert_true(read->process->start_time_ns == told->process->start_time_ns);
	/* Whose child it became when that ended is not kept. */
	if (told->kind == PROCOBSRV_START)
		assert_string_equal(read->parent->id, told->parent->id);
	if (told->kind == PROCOBSRV_EXEC || told->kind == PROCOBSRV_EXISTING)
		check_image(read->process, told->process);
	if (told->exit) {
		assert_int_equal(read->exit->has_status, told->exit->has_status);
		assert_int_equal(read->exit->code, told->exit->code);
		assert_int_equal(read->exit->signal, told->exit->signal);
		assert_int_equal(read->exit->has_usage, told->exit->has_usage);
		assert_true(read->exit->cpu_ns == told->exit->cpu_ns);
		assert_true(read->exit->duration_ns == told->exit->duration_ns);
	}
	if (told->attempt) {
		assert_string_equal(read->attempt->path, told->attempt->path);
		assert_int_equal(read->attempt->error, told->attempt->error);
		assert_string_equal(read->attempt->error_name, "ENOENT");
		check_vector(read->attempt->argv, read->attempt->argc, told->attempt->argv,
			     told->attempt->argc);
	}
}

/* Each life is what the events of its process were, in their order. */
static void lives(void **state)
{
	struct day *day = record_day(DAY_EVENTS);
	const struct procobsrv_event *const *events = day_next(day, DAY_EVENTS);
	size_t last = (size_t)ask("SELECT max(id) FROM processes");
	struct record_life **loaded = calloc(last + 1, sizeof(*loaded));
	size_t *next = calloc(last + 1, sizeof(*next));

	(void)state;
	assert_true(loaded && next && events);
	for (size_t index = 0; index < DAY_EVENTS; index++) {
		const struct procobsrv_event *told = events[index];
		int64_t row = 0;

		if (!told->process)
			continue;
		assert_int_equal(record_find_identity(reader, told->process->id, &row), 0);
		if (!loaded[row])
			assert_int_equal(record_life_load(reader, row, &loaded[row]), 0);
		assert_true(next[row] < loaded[row]->count);
		check_event(loaded[row]->events[next[row]++], told);
	}
	for (size_t row = 1; row <= last; row++) {
		assert_true(!loaded[row] || next[row] == loaded[row]->count);
		record_life_free(loaded[row]);
	}
	free(loaded);
	free(next);
	day_free(day);
}

/* ---- searches ---- */

struct answer {
	struct record_run runs[RUNS_MOST];
	size_t count;
};

static void search(const struct record_query *query, size_t portion, struct answer *answer)
{
	struct record_search *opened;
	size_t count = 1;

	answer->count = 0;
	if (record_search_open(reader, query, &opened))
		fail_msg("%s", procobsrv_explain());
	while (count) {
		size_t room = RUNS_MOST - answer->count;

		if (record_search_next(opened, answer->runs + answer->count,
				       room < portion ? room : portion, &count))
			fail_msg("%s", procobsrv_explain());
		answer->count += count;
	}
	record_search_close(opened);
}

static int compare_runs(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct record_run));
}

static void check_same(struct answer *one, struct answer *other)
{
	assert_int_equal(one->count, other->count);
	qsort(one->runs, one->count, sizeof(*one->runs), compare_runs);
	qsort(other->runs, other->count, sizeof(*other->runs), compare_runs);
	assert_memory_equal(one->runs, other->runs, one->count * sizeof(*one->runs));
}

static void check_order(const struct answer *answer, bool down)
{
	for (size_t index = 1; index < answer->count; index++) {
		int64_t before = answer->runs[index - 1].time_ns;
		int64_t after = answer->runs[index].time_ns;

		assert_true(down ? before >= after : before <= after);
	}
}

/* What an SQL statement that uses no index has to say: time, process, exec. */
static void ask_runs(const char *sql, struct answer *answer)
{
	sqlite3_stmt *statement;

	answer->count = 0;
	if (sqlite3_prepare_v2(oracle, sql, -1, &statement, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(oracle));
	while (sqlite3_step(statement) == SQLITE_ROW) {
		assert_true(answer->count < RUNS_MOST);
		answer->runs[answer->count++] = (struct record_run){
		    .time_ns = sqlite3_column_int64(statement, 0),
		    .process = sqlite3_column_int64(statement, 1),
		    .exec = sqlite3_column_int64(statement, 2),
		};
	}
	sqlite3_finalize(statement);
}

/* Its statements, as they are prepared. */
#define STATEMENTS_MOST 32
static char *statements[STATEMENTS_MOST];
static size_t statement_count;

static int note_statement(unsigned mask, void *param, void *statement, void *text)
{
	const char *sql = sqlite3_sql(statement);

	(void)mask;
	(void)param;
	(void)text;
	for (size_t index = 0; index < statement_count; index++)
		if (!strcmp(statements[index], sql))
			return 0;
	assert_true(statement_count < STATEMENTS_MOST);
	statements[statement_count++] = strdup(sql);
	return 0;
}

/*
 * That no table is gone through as a whole; and, for what is streamed, that nothing is sorted.
 * Whether the index is used.
 */
static bool check_plan(const char *sql, bool sorts, const char *wanted)
{
	static const char *const tables[] = {"processes", "execs",  "attempts",
					     "texts",	  "losses", "ended"};
	char explain[4096];
	sqlite3_stmt *statement;
	bool used = false;

	snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
	assert_int_equal(sqlite3_prepare_v2(oracle, explain, -1, &statement, NULL), 0);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(statement, 3);

		for (size_t index = 0; index < sizeof(tables) / sizeof(*tables); index++)
			if (!strncmp(step, "SCAN ", 5) && strstr(step, tables[index]))
				fail_msg("%s: %s", step, sql);
		if (!sorts && strstr(step, "TEMP B-TREE"))
			fail_msg("%s: %s", step, sql);
		used = used || (!strncmp(step, "SEARCH ", 7) && strstr(step, wanted));
	}
	sqlite3_finalize(statement);
	return used;
}

static void trace(bool on)
{
	sqlite3_trace_v2(record_reader_database(reader), on ? SQLITE_TRACE_STMT : 0,
			 on ? note_statement : NULL, NULL);
}

static void check_plans(bool sorts, const char *wanted)
{
	bool used = false;

	trace(false);
	assert_true(statement_count > 0);
	for (size_t index = 0; index < statement_count; index++) {
		used = check_plan(statements[index], sorts, wanted) || used;
		free(statements[index]);
	}
	statement_count = 0;
	if (!used)
		fail_msg("%s is not used", wanted);
}

/* One question in several ways: forwards, backwards, in small portions. */
static void check_search(struct record_query query, const char *sql, bool sorts, const char *wanted)
{
	struct answer *expected = calloc(2, sizeof(*expected));
	struct answer *got = expected + 1;

	assert_non_null(expected);
	ask_runs(sql, expected);
	assert_true(expected->count > 0);
	trace(true);
	search(&query, RUNS_MOST, got);
	check_plans(sorts, wanted);
	check_order(got, false);
	check_same(got, expected);
	search(&query, 7, got);
	check_order(got, false);
	check_same(got, expected);
	query.newest_first = true;
	trace(true);
	search(&query, 5, got);
	check_plans(sorts, wanted);
	check_order(got, true);
	check_same(got, expected);
	free(expected);
}

#define EXECS  "SELECT time_ns, process, id FROM execs NOT INDEXED WHERE "
#define EVERY  .interval = {INT64_MIN, INT64_MAX}
#define MIDDLE "(SELECT min(time_ns) / 2 + max(time_ns) / 2 FROM execs)"

static char *text_of(const char *column)
{
	char sql[256];
	sqlite3_stmt *statement;
	char *text;

	/* Of an exec in the middle of the day. */
	snprintf(sql, sizeof(sql),
		 "SELECT bytes FROM texts WHERE id = (SELECT %s FROM execs WHERE time_ns >= " MIDDLE
		 " ORDER BY time_ns LIMIT 1)",
		 column);
	assert_int_equal(sqlite3_prepare_v2(oracle, sql, -1, &statement, NULL), 0);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	text =
	    strndup(sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0));
	sqlite3_finalize(statement);
	return text;
}

static void searches(void **state)
{
	char *name = text_of("name");
	char *exe = text_of("exe");
	uint32_t uid = (uint32_t)ask("SELECT uid FROM execs WHERE time_ns >= " MIDDLE " LIMIT 1");
	int64_t middle = ask("SELECT " MIDDLE);
	char sql[512];

	(void)state;
	check_search((struct record_query){EVERY}, EXECS "1", false, "execs_time");
	check_search((struct record_query){.interval = {middle, INT64_MAX}},
		     EXECS "origin = 3 AND time_ns >= " MIDDLE, false, "execs_time");
	check_search((struct record_query){.interval = {INT64_MIN, middle}},
		     EXECS "time_ns < " MIDDLE, false, "execs_time");
	snprintf(sql, sizeof(sql),
		 EXECS "name = (SELECT id FROM texts WHERE bytes = CAST('%s' AS BLOB))", name);
	check_search((struct record_query){EVERY, .name = name}, sql, false, "execs_name");
	snprintf(sql, sizeof(sql),
		 EXECS "exe = (SELECT id FROM texts WHERE bytes = CAST('%s' AS BLOB))", exe);
	check_search((struct record_query){EVERY, .exe = exe}, sql, false, "execs_exe");
	snprintf(sql, sizeof(sql), EXECS "uid = %u AND time_ns < " MIDDLE, uid);
	check_search(
	    (struct record_query){.interval = {INT64_MIN, middle}, .has_uid = true, .uid = uid},
	    sql, false, "execs_uid");
	snprintf(sql, sizeof(sql),
		 EXECS "uid = %u AND exe = (SELECT id FROM texts WHERE bytes = CAST('%s' AS BLOB))",
		 uid, exe);
	check_search((struct record_query){EVERY, .exe = exe, .has_uid = true, .uid = uid}, sql,
		     false, "execs_exe");
	check_search((struct record_query){EVERY, .forks = true},
		     EXECS "1 UNION ALL SELECT start_ns, id, 0 FROM processes NOT INDEXED WHERE "
			   "origin = 2 AND id NOT IN (SELECT process FROM execs)",
		     false, "processes_start");
	free(name);
	free(exe);
}

#define LAST_EXEC "coalesce((SELECT max(id) FROM execs WHERE process = processes.id), 0) AS last"

static void failures(void **state)
{
	int64_t middle = ask("SELECT " MIDDLE);

	(void)state;
	check_search((struct record_query){EVERY, .failed = true},
		     "SELECT end_ns, id, " LAST_EXEC " FROM processes NOT INDEXED WHERE "
		     "(code <> 0 OR signal <> 0) AND last <> 0",
		     false, "processes_failed");
	check_search(
	    (struct record_query){.interval = {middle, INT64_MAX}, .failed = true, .forks = true},
	    "SELECT end_ns, id, " LAST_EXEC " FROM processes NOT INDEXED WHERE "
	    "(code <> 0 OR signal <> 0) AND end_ns >= " MIDDLE,
	    false, "processes_failed");
}

/* Who ran at many moments, and what each of them ran then. */
static void running(void **state)
{
	int64_t first = ask("SELECT min(time_ns) FROM execs");
	int64_t last = ask("SELECT max(time_ns) FROM execs");
	char sql[1024];

	(void)state;
	for (int part = 1; part < 20; part++) {
		int64_t at = first + (last - first) / 20 * part;

		snprintf(sql, sizeof(sql),
			 "SELECT coalesce(e.time_ns, p.start_ns), p.id, coalesce(e.id, 0) "
			 "FROM processes AS p NOT INDEXED LEFT JOIN execs AS e ON e.id = "
			 "coalesce((SELECT max(id) FROM execs WHERE process = p.id AND "
			 "time_ns < %lld), (SELECT min(id) FROM execs WHERE process = p.id)) "
			 "WHERE p.start_ns < %lld AND (p.end_ns >= %lld OR p.end_ns IS NULL)",
			 (long long)at, (long long)at, (long long)at);
		check_search(
		    (struct record_query){.interval = {at, at}, .forks = true, .running = true},
		    sql, true, "processes_long");
	}
	/* Those that took from ten seconds on are found in another way than the others. */
	assert_true(ask("SELECT count(*) FROM processes WHERE end_ns - start_ns > 10000000000") >
		    0);
	assert_true(ask("SELECT count(*) FROM processes WHERE end_ns - start_ns < 10000000000") >
		    0);
}

/* ---- processes ---- */

static void descent(void **state)
{
	int64_t parent =
	    ask("SELECT parent FROM processes WHERE parent IS NOT NULL GROUP BY parent "
		"ORDER BY count(*) DESC LIMIT 1");
	int64_t child = ask("SELECT max(id) FROM processes");
	uint32_t pid =
	    (uint32_t)ask("SELECT pid FROM processes GROUP BY pid ORDER BY count(*) DESC "
			  "LIMIT 1");
	struct record_list found = {0};
	char sql[256];

	(void)state;
	trace(true);
	assert_int_equal(record_find_tree(reader, parent, &found), 0);
	check_plans(true, "processes_parent");
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM processes NOT INDEXED WHERE parent = %lld",
		 (long long)parent);
	assert_true(found.count > (size_t)ask(sql));
	assert_true(found.rows[0] == parent);
	record_list_free(&found);

	trace(true);
	assert_int_equal(record_find_children(reader, parent, INT64_MAX, 3, &found), 0);
	check_plans(false, "processes_parent");
	snprintf(sql, sizeof(sql),
		 "SELECT max(id) FROM processes NOT INDEXED WHERE parent = %lld AND end_ns > 0",
		 (long long)parent);
	assert_int_equal(found.count, 3);
	assert_true(found.rows[0] == ask(sql) && found.rows[1] < found.rows[0]);
	record_list_free(&found);

	trace(true);
	assert_int_equal(record_find_ancestors(reader, child, &found), 0);
	check_plans(true, "PRIMARY KEY");
	assert_true(found.rows[found.count - 1] == child);
	for (size_t index = found.count; index-- > 1;) {
		snprintf(sql, sizeof(sql), "SELECT parent FROM processes WHERE id = %lld",
			 (long long)found.rows[index]);
		assert_true(ask(sql) == found.rows[index - 1]);
	}
	record_list_free(&found);

	trace(true);
	assert_int_equal(record_find_pid(reader, pid, INT64_MAX, &found), 0);
	check_plans(false, "processes_pid");
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM processes NOT INDEXED WHERE pid = %u",
		 pid);
	assert_int_equal(found.count, ask(sql));
	assert_true(found.count > 0);
	record_list_free(&found);
}

static void missing_things(void **state)
{
	struct record_query query = {EVERY, .name = "no such name"};
	struct answer *answer = calloc(1, sizeof(*answer));
	struct record_life *life;
	int64_t row;

	(void)state;
	assert_non_null(answer);
	search(&query, RUNS_MOST, answer);
	assert_int_equal(answer->count, 0);
	free(answer);
	assert_int_equal(record_find_identity(reader, "nobody", &row), PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(record_life_load(reader, 1 << 30, &life), PROCOBSRV_ERROR_NOT_FOUND);
}

/* The sink goes on writing while it is read; who reads keeps what he saw until he lets it go. */
static void beside_a_writer(void **state)
{
	struct record_place other = record_place_make();
	struct open_sink opened = record_open(&other, NULL);
	struct day *day = record_day(DAY_EVENTS);
	const struct record_query query = {EVERY};
	struct record_reader *kept = reader;
	struct answer *answer = calloc(1, sizeof(*answer));
	size_t before;

	(void)state;
	assert_non_null(answer);
	record_write_day(&opened, day, 1000);
	assert_int_equal(record_reader_open(other.path, &reader), 0);
	assert_int_equal(record_reader_begin(reader), 0);
	search(&query, 100, answer);
	before = answer->count;
	assert_true(before > 0);
	record_write_day(&opened, day, 1000);
	search(&query, 100, answer);
	assert_int_equal(answer->count, before);
	record_reader_end(reader);
	search(&query, 100, answer);
	assert_true(answer->count > before);
	record_reader_close(reader);
	reader = kept;
	free(answer);
	day_free(day);
	sink_close(&opened);
	record_place_remove(&other);
}

static void losses(void **state)
{
	struct record_losses loaded;
	const struct record_interval every = {INT64_MIN, INT64_MAX};
	uint64_t count = 77;
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(
	    sqlite3_exec(
		oracle,
		"INSERT INTO losses (cursor, time_ns, from_ns, to_ns, count, starts, execs, "
		"execs_failed, exits, unknown, stage, reason) VALUES "
		"('1:2l3', 100, 90, 99, 6, 1, 2, 0, 3, 0, 'kernel', 'ring full'), "
		"('1:2l4', 200, NULL, NULL, 5, 0, 0, 0, 0, 5, 'spill', 'disk full')",
		NULL, NULL, NULL),
	    0);
	assert_int_equal(record_lost_count(reader, &every, &count), 0);
	assert_int_equal(count, 11);
	assert_int_equal(record_lost_count(reader, &(struct record_interval){101, 200}, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(record_losses_load(reader, &every, &loaded), 0);
	assert_int_equal(loaded.count, 2);
	for (size_t index = 0; index < loaded.count; index++)
		sum += loaded.events[index].lost->count;
	assert_int_equal(sum, 11);
	assert_string_equal(loaded.events[0].lost->reason, "ring full");
	assert_string_equal(loaded.events[1].lost->stage, "spill");
	assert_true(loaded.events[0].lost->from_ns == 90 && !loaded.events[1].lost->from_ns);
	record_losses_free(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives),	       cmocka_unit_test(searches),
	    cmocka_unit_test(failures),	       cmocka_unit_test(running),
	    cmocka_unit_test(descent),	       cmocka_unit_test(missing_things),
	    cmocka_unit_test(beside_a_writer), cmocka_unit_test(losses),
	};

	return cmocka_run_group_tests(tests, open_day, close_day);
}
