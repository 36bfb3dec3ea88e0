/* SPDX-License-Identifier: MIT */
/* The statements of the record, and how they are bound, run and read. */
#include "record_database.h"

#include "error.h"

#include <stdio.h>

static const char *const texts[RECORD_STATEMENTS] = {
    [RECORD_BEGIN] = "BEGIN IMMEDIATE",
    [RECORD_COMMIT] = "COMMIT",
    [RECORD_ROLLBACK] = "ROLLBACK",
    [RECORD_SET_STATE] = "INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)",
    [RECORD_GET_STATE] = "SELECT value FROM state WHERE name = ?1",
    [RECORD_FIND_BOOT] = "SELECT id FROM boots WHERE boot = ?1",
    [RECORD_ADD_BOOT] = "INSERT INTO boots (boot, host, last_ns) VALUES (?1, ?2, ?3)",
    [RECORD_TOUCH_BOOT] = "UPDATE boots SET last_ns = max(last_ns, ?2) WHERE id = ?1",
    [RECORD_FIND_TEXT] = "SELECT id FROM texts WHERE hash = ?1 AND bytes = ?2",
    [RECORD_ADD_TEXT] = "INSERT INTO texts (hash, bytes) VALUES (?1, ?2)",
    [RECORD_FIND_PROCESS] =
	"SELECT id, origin, exec_id, end_ns, code FROM processes WHERE identity = ?1",
    [RECORD_LAST_PROCESS] = "SELECT max(id) FROM processes",
    [RECORD_ADD_PROCESS] =
	"INSERT INTO processes (id, identity, boot, pid, ppid, parent, creator, origin, start_ns, "
	"name, exe, uid, end_ns, code, signal, core_dumped, duration_ns, cpu_ns, user_ns, "
	"system_ns, max_rss_bytes, exec_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
	"?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
    [RECORD_FILL_PROCESS] =
	"UPDATE processes SET boot = ?3, pid = ?4, ppid = ?5, parent = ?6, creator = ?7, "
	"origin = ?8, start_ns = ?9, name = ?10, exe = ?11, uid = ?12, end_ns = ?13, code = ?14, "
	"signal = ?15, core_dumped = ?16, duration_ns = ?17, cpu_ns = ?18, user_ns = ?19, "
	"system_ns = ?20, max_rss_bytes = ?21, exec_id = ?22 WHERE id = ?1 AND identity = ?2",
    [RECORD_SET_PROGRAM] =
	"UPDATE processes SET name = ?2, exe = ?3, uid = ?4, exec_id = ?5 WHERE id = ?1",
    [RECORD_SET_END] =
	"UPDATE processes SET name = ifnull(?2, name), uid = ifnull(?3, uid), end_ns = ?4, "
	"code = ?5, signal = ?6, core_dumped = ?7, duration_ns = ?8, cpu_ns = ?9, user_ns = ?10, "
	"system_ns = ?11, max_rss_bytes = ?12 WHERE id = ?1",
    [RECORD_ADD_EXEC] =
	"INSERT INTO execs (process, origin, time_ns, name, exe, argv, cwd, filename, script, "
	"interpreter, env, tty, cgroup, container, flags, uid, gid, euid, egid, loginuid, "
	"session, missing) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
	"?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)",
    [RECORD_ADD_ATTEMPT] = "INSERT INTO attempts (process, time_ns, path, argv, error) "
			   "VALUES (?1, ?2, ?3, ?4, ?5)",
    [RECORD_ADD_LOSS] =
	"INSERT OR IGNORE INTO losses (cursor, time_ns, from_ns, to_ns, count, starts, execs, "
	"execs_failed, exits, unknown, stage, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
	"?9, ?10, ?11, ?12)",
    [RECORD_OLDEST_EVENT] = "SELECT min(ifnull((SELECT min(end_ns) FROM processes), ?1), "
			    "ifnull((SELECT min(time_ns) FROM execs), ?1))",
    [RECORD_LATEST_EVENT] = "SELECT max(last_ns) FROM boots",
    /* The last row stays, so that its number is not given to another. */
    [RECORD_ENDED_PROCESSES] = "SELECT id, identity, end_ns FROM processes WHERE end_ns < ?1 AND "
			       "id < (SELECT max(id) FROM processes) ORDER BY end_ns LIMIT ?2",
    [RECORD_LATER_PROCESSES] = "SELECT id, identity, end_ns FROM processes WHERE end_ns > ?1 AND "
			       "id < (SELECT max(id) FROM processes) ORDER BY end_ns LIMIT ?2",
    [RECORD_UNENDED_PROCESSES] =
	"SELECT p.id, p.identity, b.last_ns FROM processes AS p JOIN boots AS b ON b.id = p.boot "
	"WHERE p.end_ns IS NULL AND b.last_ns < ?1 AND b.id < (SELECT max(id) FROM boots) AND "
	"p.id < (SELECT max(id) FROM processes) LIMIT ?2",
    /* Named as a parent only, by nobody who is left. */
    [RECORD_BARE_PROCESSES] =
	"SELECT id, identity, start_ns FROM processes AS p WHERE end_ns IS NULL AND origin = 0 "
	"AND start_ns < ?1 AND NOT EXISTS (SELECT 1 FROM processes WHERE parent = p.id) AND "
	"id < (SELECT max(id) FROM processes) LIMIT ?2",
    [RECORD_OLDEST_PROCESSES] =
	"SELECT id, identity, start_ns FROM processes WHERE start_ns < ?1 AND "
	"id < (SELECT max(id) FROM processes) ORDER BY start_ns LIMIT ?2",
    /* Older programs of who still runs; its present one stays. */
    [RECORD_OLD_EXECS] =
	"SELECT e.id, e.time_ns, e.id < (SELECT max(id) FROM execs WHERE process = e.process) "
	"FROM execs AS e WHERE e.time_ns > ?1 AND e.time_ns < ?2 ORDER BY e.time_ns LIMIT ?3",
    [RECORD_OLD_ATTEMPTS] = "SELECT id FROM attempts WHERE time_ns < ?1 ORDER BY time_ns LIMIT ?2",
    [RECORD_REMOVE_PROCESS] = "DELETE FROM processes WHERE id = ?1",
    [RECORD_REMOVE_EXEC] = "DELETE FROM execs WHERE id = ?1",
    [RECORD_REMOVE_ATTEMPT] = "DELETE FROM attempts WHERE id = ?1",
    [RECORD_REMOVE_EXECS_OF] = "DELETE FROM execs WHERE process = ?1",
    [RECORD_REMOVE_ATTEMPTS_OF] = "DELETE FROM attempts WHERE process = ?1",
    [RECORD_REMOVE_LOSSES] = "DELETE FROM losses WHERE id IN (SELECT id FROM losses WHERE "
			     "time_ns < ?1 ORDER BY time_ns LIMIT ?2)",
    [RECORD_FORGET_PARENT] = "UPDATE processes SET parent = NULL WHERE parent = ?1",
    [RECORD_FORGET_CREATOR] = "UPDATE processes SET creator = NULL WHERE creator = ?1",
    [RECORD_TEXT_RANGE] = "SELECT (SELECT min(id) FROM texts), (SELECT max(id) FROM texts)",
    [RECORD_TEXTS_OF_EXECS] =
	"SELECT id, name, exe, argv, cwd, filename, script, interpreter, env, tty, cgroup, "
	"container, missing FROM execs WHERE id > ?1 ORDER BY id LIMIT ?2",
    [RECORD_TEXTS_OF_PROCESSES] =
	"SELECT id, name, exe FROM processes WHERE id > ?1 ORDER BY id LIMIT ?2",
    [RECORD_TEXTS_OF_ATTEMPTS] =
	"SELECT id, path, argv FROM attempts WHERE id > ?1 ORDER BY id LIMIT ?2",
    [RECORD_SOME_TEXTS] =
	"SELECT id, hash FROM texts WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
    [RECORD_REMOVE_TEXT] = "DELETE FROM texts WHERE id = ?1",
};

int record_statements_prepare(struct record_database *database)
{
	int status = SQLITE_OK;

	for (int i = 0; !status && i < RECORD_STATEMENTS; i++)
		status =
		    sqlite3_prepare_v3(database->connection, texts[i], -1,
				       SQLITE_PREPARE_PERSISTENT, &database->statements[i], NULL);
	if (status == SQLITE_ERROR) {
		database->damaged = true;
		return error_set(PROCOBSRV_ERROR_CORRUPT, "%s: %s", database->path,
				 sqlite3_errmsg(database->connection));
	}
	return status ? record_database_failed(database, status, "read it") : 0;
}

sqlite3_stmt *record_statement(struct record_database *database, enum record_statement statement)
{
	sqlite3_reset(database->statements[statement]);
	return database->statements[statement];
}

void record_bind(sqlite3_stmt *statement, int index, int64_t value)
{
	if (value == RECORD_NULL)
		sqlite3_bind_null(statement, index);
	else
		sqlite3_bind_int64(statement, index, value);
}

int64_t record_column(sqlite3_stmt *statement, int index)
{
	return sqlite3_column_type(statement, index) == SQLITE_NULL
		   ? RECORD_NULL
		   : sqlite3_column_int64(statement, index);
}

int record_step(struct record_database *database, sqlite3_stmt *statement, const char *what)
{
	int status =
	    statement ? sqlite3_step(statement) : sqlite3_extended_errcode(database->connection);

	if (status == SQLITE_ROW)
		return 1;
	if (status == SQLITE_DONE)
		return 0;
	int error = record_database_failed(database, status, what);
	sqlite3_reset(statement);
	return error;
}

int record_run(struct record_database *database, enum record_statement statement, const char *what)
{
	int error = record_step(database, database->statements[statement], what);

	sqlite3_reset(database->statements[statement]);
	return error;
}

int record_pragma(struct record_database *database, const char *pragma, int64_t *value)
{
	sqlite3_stmt *statement = NULL;
	char text[64];

	snprintf(text, sizeof text, "PRAGMA %s", pragma);
	int status = sqlite3_prepare_v2(database->connection, text, -1, &statement, NULL);
	if (!status && (status = sqlite3_step(statement)) == SQLITE_ROW) {
		*value = sqlite3_column_int64(statement, 0);
		status = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return status && status != SQLITE_DONE ? record_database_failed(database, status, "read it")
					       : 0;
}

static int run_plain(struct record_database *database, enum record_statement statement,
		     const char *what)
{
	record_statement(database, statement);
	return record_run(database, statement, what);
}

int record_begin(struct record_database *database)
{
	return run_plain(database, RECORD_BEGIN, "begin to write");
}

int record_commit(struct record_database *database)
{
	return run_plain(database, RECORD_COMMIT, "write");
}

void record_rollback(struct record_database *database)
{
	/* SQLite has done it itself after some failures; else it can fail only where nothing helps,
	 * and what was begun is undone when the file is closed. */
	if (database->connection && !sqlite3_get_autocommit(database->connection)) {
		sqlite3_step(record_statement(database, RECORD_ROLLBACK));
		sqlite3_reset(database->statements[RECORD_ROLLBACK]);
	}
}
