/* SPDX-License-Identifier: MIT */
#include "record_ground.h"

#include "ground.h"
#include "harness.h"
#include "setting.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSIGNMENTS_MOST 8

/* ---- the place ---- */

struct record_place record_place_make(void)
{
	/* Waiting for a disk, after each of many small transactions, would be most of the time. */
	if (!access("/dev/shm", W_OK | X_OK))
		setenv("TMPDIR", "/dev/shm", 0);
	struct record_place place = {.directory = directory_make()};

	snprintf(place.path, sizeof place.path, "%s/record.sqlite", place.directory);
	return place;
}

static int count_files(const struct record_place *place, const char *part, bool remove)
{
	DIR *directory = opendir(place->directory);
	char path[1024];
	int count = 0;

	assert_non_null(directory);
	for (struct dirent *entry; (entry = readdir(directory));) {
		if (entry->d_name[0] == '.' || !strstr(entry->d_name, part))
			continue;
		count++;
		snprintf(path, sizeof path, "%s/%s", place->directory, entry->d_name);
		if (remove)
			assert_int_equal(unlink(path), 0);
	}
	closedir(directory);
	return count;
}

void record_place_remove(struct record_place *place)
{
	count_files(place, "", true);
	directory_remove(place->directory);
}

int record_place_count(const struct record_place *place, const char *part)
{
	return count_files(place, part, false);
}

/* ---- the sink ---- */

struct open_sink record_open(const struct record_place *place, const char *const *assignments)
{
	static char path[600];
	const char *all[ASSIGNMENTS_MOST + 3] = {path, "commit-interval=0s"};

	snprintf(path, sizeof path, "path=%s", place->path);
	for (size_t i = 0; assignments && assignments[i]; i++) {
		assert_true(i < ASSIGNMENTS_MOST);
		all[i + 2] = assignments[i];
	}
	/* What a value is made of is lent: the path must last as long as the sink. */
	struct open_sink opened = {.operations = &sink_record,
				   .values = sink_values(&sink_record, all)};
	opened.values[setting_find(sink_record.settings, "path")].text = place->path;
	if (sink_record.open(opened.values, &opened.sink))
		fail_msg("%s", procobsrv_explain());
	return opened;
}

int record_write(const struct open_sink *opened, const struct procobsrv_event *const *events,
		 size_t count)
{
	return sink_record.write(opened->sink, events, count);
}

void record_write_one(const struct open_sink *opened, const struct procobsrv_event *event)
{
	if (record_write(opened, &event, 1))
		fail_msg("%s", procobsrv_explain());
}

/* ---- the day ---- */

struct day *record_day(uint64_t events)
{
	/* For all of a program and its children the same, so that they tell the same. */
	static int64_t now_ns;
	const uint64_t step_ns = UINT64_C(86400000000000) / events;

	if (!now_ns)
		now_ns = os_wall_ns();
	const struct day_options options = {
	    .seed = 42,
	    .stream = RECORD_GROUND_STREAM,
	    .boot = "b00710ad",
	    .first_ns = now_ns - (int64_t)(events * step_ns),
	    .step_ns = step_ns,
	    .processes = 60,
	    .pids = 5000,
	    .one_in = 2,
	};
	struct day *day = day_create(&options);

	assert_non_null(day);
	return day;
}

void record_write_day(const struct open_sink *opened, struct day *day, size_t count)
{
	const struct procobsrv_event *const *events = day_next(day, count);

	assert_non_null(events);
	if (record_write(opened, events, count))
		fail_msg("%s", procobsrv_explain());
}

/* ---- what it holds ---- */

static sqlite3 *look(const char *path)
{
	sqlite3 *connection;

	assert_int_equal(sqlite3_open_v2(path, &connection, SQLITE_OPEN_READWRITE, NULL), 0);
	sqlite3_busy_timeout(connection, 5000);
	return connection;
}

static int64_t number(sqlite3 *connection, const char *sql)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) ||
	    sqlite3_step(statement) != SQLITE_ROW)
		fail_msg("%s: %s", sql, sqlite3_errmsg(connection));
	int64_t value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

int64_t record_number(const char *path, const char *sql)
{
	sqlite3 *connection = look(path);
	int64_t value = number(connection, sql);

	sqlite3_close(connection);
	return value;
}

static const char *const references[][3] = {
    {"execs", "process", "processes"},
    {"attempts", "process", "processes"},
    {"processes", "parent", "processes"},
    {"processes", "creator", "processes"},
    {"processes", "boot", "boots"},
    {"processes", "name", "texts"},
    {"processes", "exe", "texts"},
    {"execs", "name", "texts"},
    {"execs", "exe", "texts"},
    {"execs", "argv", "texts"},
    {"execs", "cwd", "texts"},
    {"execs", "filename", "texts"},
    {"execs", "script", "texts"},
    {"execs", "interpreter", "texts"},
    {"execs", "env", "texts"},
    {"execs", "tty", "texts"},
    {"execs", "cgroup", "texts"},
    {"execs", "container", "texts"},
    {"execs", "missing", "texts"},
    {"attempts", "path", "texts"},
    {"attempts", "argv", "texts"},
};
#define REFERENCES (sizeof references / sizeof *references)

void record_check_whole(const char *path)
{
	sqlite3 *connection = look(path);
	char sql[256];

	assert_int_equal(number(connection, "SELECT count(*) FROM pragma_integrity_check "
					    "WHERE integrity_check <> 'ok'"),
			 0);
	for (size_t i = 0; i < REFERENCES; i++) {
		snprintf(sql, sizeof sql,
			 "SELECT count(*) FROM %s WHERE %s IS NOT NULL AND %s NOT IN "
			 "(SELECT id FROM %s)",
			 references[i][0], references[i][1], references[i][1], references[i][2]);
		if (number(connection, sql))
			fail_msg("%s.%s names what is not there", references[i][0],
				 references[i][1]);
	}
	assert_int_equal(number(connection, "SELECT count(*) - count(DISTINCT bytes) FROM texts"),
			 0);
	sqlite3_close(connection);
}

int64_t record_unnamed_texts(const char *path)
{
	char sql[4096] = "SELECT count(*) FROM texts WHERE id NOT IN (SELECT 0";
	size_t used = strlen(sql);

	for (size_t i = 0; i < REFERENCES; i++) {
		if (strcmp(references[i][2], "texts") != 0)
			continue;
		used += (size_t)snprintf(sql + used, sizeof sql - used,
					 " UNION SELECT %s FROM %s WHERE %s IS NOT NULL",
					 references[i][1], references[i][0], references[i][1]);
	}
	snprintf(sql + used, sizeof sql - used, ")");
	return record_number(path, sql);
}

/* One row that must be there. */
struct expectation {
	sqlite3_stmt *start;
	sqlite3_stmt *exec;
	sqlite3_stmt *exit;
	sqlite3_stmt *attempt;
};

static sqlite3_stmt *prepare(sqlite3 *connection, const char *sql)
{
	sqlite3_stmt *statement;

	if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(connection));
	return statement;
}

static void expect_one(sqlite3_stmt *statement, const struct procobsrv_event *event)
{
	if (sqlite3_step(statement) != SQLITE_ROW || sqlite3_column_int(statement, 0) != 1)
		fail_msg("%s of %s at %s is not there once", procobsrv_kind_name(event->kind),
			 event->process->id, event->cursor);
	sqlite3_reset(statement);
}

static void bind_vector(sqlite3_stmt *statement, int index, const char *const *vector, size_t count)
{
	char bytes[1024];
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(vector[i]) + 1;
		assert_true(size + length <= sizeof bytes);
		memcpy(bytes + size, vector[i], length);
		size += length;
	}
	sqlite3_bind_blob(statement, index, bytes, (int)size, SQLITE_TRANSIENT);
}

static void check_event(const struct expectation *expectation, const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	sqlite3_stmt *statement = event->kind == PROCOBSRV_EXIT		 ? expectation->exit
				  : event->kind == PROCOBSRV_EXEC_FAILED ? expectation->attempt
				  : event->kind == PROCOBSRV_START	 ? expectation->start
									 : expectation->exec;

	sqlite3_bind_text(statement, 1, process->id, -1, SQLITE_STATIC);
	if (event->kind == PROCOBSRV_EXIT) {
		sqlite3_bind_int64(statement, 2, event->time_ns);
		sqlite3_bind_int64(statement, 3, event->exit->code);
		sqlite3_bind_int64(statement, 4, (int64_t)event->exit->cpu_ns);
		sqlite3_bind_blob(statement, 5, process->name, (int)strlen(process->name),
				  SQLITE_STATIC);
	} else if (event->kind == PROCOBSRV_START) {
		sqlite3_bind_int64(statement, 2, process->start_time_ns);
		sqlite3_bind_text(statement, 3, event->parent->id, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 4, process->ppid);
	} else {
		const struct procobsrv_attempt *attempt = event->attempt;
		sqlite3_bind_int64(statement, 2, event->time_ns);
		bind_vector(statement, 3, attempt ? attempt->argv : process->argv,
			    attempt ? attempt->argc : process->argc);
	}
	expect_one(statement, event);
}

void record_check_day(const char *path, uint64_t events, uint64_t count)
{
	sqlite3 *connection = look(path);
	struct day *day = record_day(events);
	uint64_t kinds[PROCOBSRV_LOST + 1] = {0};
	const struct expectation expectation = {
	    prepare(connection, "SELECT count(*) FROM processes AS p JOIN processes AS parent ON "
				"parent.id = p.parent WHERE p.identity = ?1 AND p.start_ns = ?2 "
				"AND parent.identity = ?3 AND p.ppid = ?4 AND p.origin = 2"),
	    prepare(connection,
		    "SELECT count(*) FROM processes AS p JOIN execs AS e ON e.process = p.id JOIN "
		    "texts AS t ON t.id = e.argv WHERE p.identity = ?1 AND e.time_ns = ?2 AND "
		    "t.bytes = ?3"),
	    prepare(connection, "SELECT count(*) FROM processes AS p JOIN texts AS t ON "
				"t.id = p.name WHERE p.identity = ?1 AND p.end_ns = ?2 AND "
				"p.code = ?3 AND p.cpu_ns = ?4 AND t.bytes = ?5"),
	    prepare(connection,
		    "SELECT count(*) FROM processes AS p JOIN attempts AS a ON a.process = p.id "
		    "JOIN texts AS t ON t.id = a.argv WHERE p.identity = ?1 AND a.time_ns = ?2 AND "
		    "t.bytes = ?3"),
	};

	for (uint64_t i = 0; i < count; i++) {
		const struct procobsrv_event *event = *day_next(day, 1);
		check_event(&expectation, event);
		kinds[event->kind]++;
	}
	sqlite3_finalize(expectation.start);
	sqlite3_finalize(expectation.exec);
	sqlite3_finalize(expectation.exit);
	sqlite3_finalize(expectation.attempt);
	assert_int_equal(number(connection, "SELECT count(*) FROM processes"),
			 kinds[PROCOBSRV_START] + kinds[PROCOBSRV_EXISTING]);
	assert_int_equal(number(connection, "SELECT count(*) FROM execs"),
			 kinds[PROCOBSRV_EXEC] + kinds[PROCOBSRV_EXISTING]);
	assert_int_equal(
	    number(connection, "SELECT count(*) FROM processes WHERE end_ns IS NOT NULL"),
	    kinds[PROCOBSRV_EXIT]);
	assert_int_equal(number(connection, "SELECT count(*) FROM attempts"),
			 kinds[PROCOBSRV_EXEC_FAILED]);
	day_free(day);
	sqlite3_close(connection);
}

uint64_t record_day_position(const char *path)
{
	sqlite3 *connection = look(path);
	sqlite3_stmt *statement =
	    prepare(connection, "SELECT value FROM state WHERE name = 'cursor'");
	uint64_t stream, position = 0;

	if (sqlite3_step(statement) == SQLITE_ROW) {
		const char *cursor = (const char *)sqlite3_column_text(statement, 0);
		assert_int_equal(sscanf(cursor, "%" SCNx64 ":%" SCNx64, &stream, &position), 2);
		assert_int_equal(stream, RECORD_GROUND_STREAM);
	}
	sqlite3_finalize(statement);
	sqlite3_close(connection);
	return position / 320;
}
