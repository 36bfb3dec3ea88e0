/* SPDX-License-Identifier: MIT */
#include "record_database.h"

#include "error.h"
#include "os.h"
#include "record_file.h"
#include "record_schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* How long another program that writes (an administrator's, a backup) is waited for. */
#define BUSY_MILLISECONDS 2000

/* SQLite's own choice for a new file. */
#define PAGE_SIZE 4096

/* Bytes of a record that is looked through as a whole at each opening: some tenths of a second. */
#define CHECKED_WHOLE (UINT64_C(32) << 20)

/* ---- failures ---- */

int record_database_failed(struct record_database *database, int status, const char *what)
{
	const char *path = database->path;
	/* SQLite's general one says nothing; what it says beside it does. */
	const char *detail =
	    status == SQLITE_ERROR ? sqlite3_errmsg(database->connection) : sqlite3_errstr(status);
	int system = database->connection ? sqlite3_system_errno(database->connection) : 0;

	switch (status & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		database->damaged = true;
		return error_set(PROCOBSRV_ERROR_CORRUPT, "%s: cannot %s: %s", path, what, detail);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "%s: cannot %s: another program has it locked; it is tried again "
				 "('fuser %s' tells who)",
				 path, what, path);
	case SQLITE_FULL:
		return error_set(PROCOBSRV_ERROR_SYSTEM,
				 "%s: cannot %s: the disk is full; make room, or set a smaller "
				 "max-size",
				 path, what);
	case SQLITE_NOMEM:
		return error_set(PROCOBSRV_ERROR_MEMORY, "%s: cannot %s: out of memory", path,
				 what);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "%s: cannot %s: %s; file and directory must be writable", path,
				 what, detail);
	default:
		return system ? error_set_errno(system, "%s: cannot %s: %s", path, what, detail)
			      : error_set(PROCOBSRV_ERROR_SYSTEM, "%s: cannot %s: %s", path, what,
					  detail);
	}
}

static int failed_now(struct record_database *database, const char *what)
{
	return record_database_failed(database, sqlite3_extended_errcode(database->connection),
				      what);
}

/* ---- opening ---- */

static int execute(struct record_database *database, const char *sql, const char *what)
{
	return sqlite3_exec(database->connection, sql, NULL, NULL, NULL)
		   ? failed_now(database, what)
		   : 0;
}

static int connect_to(struct record_database *database)
{
	int status = sqlite3_open_v2(database->path, &database->connection,
				     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE,
				     NULL);

	if (status)
		return record_database_failed(database, status, "open");
	sqlite3_busy_timeout(database->connection, BUSY_MILLISECONDS);
	return 0;
}

/* Whose file it is, and of which version. */
static int check_kind(struct record_database *database, bool *is_new)
{
	int64_t application = 0, version = 0, tables = 0;
	int error = record_pragma(database, "application_id", &application);

	if (!error)
		error = record_pragma(database, "user_version", &version);
	if (!error)
		error = record_pragma(database, "schema_version", &tables);
	if (error)
		return error;
	*is_new = !application && !version && !tables;
	if (!*is_new && application != RECORD_APPLICATION_ID)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s is a database of another program; name another file",
				 database->path);
	if (version > RECORD_VERSION_NOW)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "%s has format %lld, made by a newer version of procobsrvd; this "
				 "one knows %d: install the newer one, or name another file",
				 database->path, (long long)version, RECORD_VERSION_NOW);
	return 0;
}

/* What can be set only while there is nothing in it. */
static int prepare_new(struct record_database *database)
{
	char pragmas[128];

	snprintf(pragmas, sizeof pragmas,
		 "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = %d;",
		 RECORD_APPLICATION_ID);
	return execute(database, pragmas, "make it");
}

/*
 * WAL: readers are not held up, nor do they hold up. FULL: what is committed has reached the disk,
 * so that a power cut takes nothing of it (NORMAL, the default of many, would).
 */
static int set_up(struct record_database *database, uint64_t cache_size, uint64_t log_size)
{
	char pragmas[192];
	sqlite3_stmt *statement = NULL;
	bool is_wal = false;

	if (!sqlite3_prepare_v2(database->connection, "PRAGMA journal_mode = WAL", -1, &statement,
				NULL) &&
	    sqlite3_step(statement) == SQLITE_ROW)
		is_wal = !strcmp((const char *)sqlite3_column_text(statement, 0), "wal");
	int status = sqlite3_finalize(statement);
	if (status)
		return record_database_failed(database, status, "open");
	if (!is_wal)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "%s: its file system has no shared memory, which SQLite needs "
				 "(WAL); put it on a local disk",
				 database->path);
	int error = execute(database,
			    "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
			    "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
			    "open");
	/* A checkpoint moves what the log holds into the file; what a longer one leaves is cut off.
	 */
	snprintf(pragmas, sizeof pragmas,
		 "PRAGMA cache_size = -%llu; PRAGMA wal_autocheckpoint = %llu;"
		 "PRAGMA journal_size_limit = %llu",
		 (unsigned long long)(cache_size >> 10), (unsigned long long)(log_size / PAGE_SIZE),
		 (unsigned long long)log_size);
	return error ? error : execute(database, pragmas, "open");
}

/* All of a small one. */
static int check_whole(struct record_database *database)
{
	sqlite3_stmt *statement = NULL;
	int error = 0;
	int status =
	    sqlite3_prepare_v2(database->connection, "PRAGMA quick_check(1)", -1, &statement, NULL);

	if (!status)
		status = sqlite3_step(statement);
	if (status != SQLITE_ROW) {
		error = record_database_failed(database, status, "check it");
	} else if (strcmp((const char *)sqlite3_column_text(statement, 0), "ok") != 0) {
		/* A line that names the database, then what is wrong with it. */
		const char *finding = (const char *)sqlite3_column_text(statement, 0);
		const char *second = strchr(finding, '\n');
		database->damaged = true;
		error = error_set(PROCOBSRV_ERROR_CORRUPT, "%s is damaged: %s", database->path,
				  second ? second + 1 : finding);
	}
	sqlite3_finalize(statement);
	return error;
}

/*
 * Of a large one the end, where a crash would have left its mark; minutes would pass for all of it.
 * What is damaged elsewhere shows when it is come to.
 */
static int look_through(struct record_database *database)
{
	if (record_database_size(database->path) <= CHECKED_WHOLE)
		return check_whole(database);
	return execute(
	    database,
	    "SELECT sum(length(bytes)) FROM (SELECT bytes FROM texts ORDER BY id DESC LIMIT 1000);"
	    "SELECT sum(pid) FROM (SELECT pid FROM processes ORDER BY id DESC LIMIT 1000);"
	    "SELECT sum(flags) FROM (SELECT flags FROM execs ORDER BY id DESC LIMIT 1000);"
	    "SELECT max(end_ns), min(end_ns) FROM processes;"
	    "SELECT max(time_ns), min(time_ns) FROM execs",
	    "read it");
}

static int set_state(struct record_database *database, const char *name, const char *value,
		     const void *blob, int size)
{
	sqlite3_stmt *statement = record_statement(database, RECORD_SET_STATE);

	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	if (value)
		sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	else
		sqlite3_bind_blob(statement, 2, blob, size, SQLITE_STATIC);
	return record_run(database, RECORD_SET_STATE, "note its state");
}

static int make_state(struct record_database *database)
{
	sqlite3_stmt *statement = record_statement(database, RECORD_SET_STATE);

	if (getrandom(database->hash_key, sizeof database->hash_key, 0) !=
	    sizeof database->hash_key)
		return error_set(PROCOBSRV_ERROR_SYSTEM, "%s: the system has no random bytes",
				 database->path);
	sqlite3_bind_text(statement, 1, "created", -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, os_wall_ns());
	int error = record_run(database, RECORD_SET_STATE, "note its state");
	if (!error)
		error = set_state(database, "version", PROCOBSRV_VERSION_TEXT, NULL, 0);
	if (!error)
		error = set_state(database, "hash-key", NULL, database->hash_key,
				  sizeof database->hash_key);
	return error;
}

static int load_state(struct record_database *database)
{
	sqlite3_stmt *statement = record_statement(database, RECORD_GET_STATE);

	sqlite3_bind_text(statement, 1, "hash-key", -1, SQLITE_STATIC);
	int found = record_step(database, statement, "read its state");
	bool usable = found > 0 && sqlite3_column_bytes(statement, 0) == sizeof database->hash_key;
	if (usable)
		memcpy(database->hash_key, sqlite3_column_blob(statement, 0),
		       sizeof database->hash_key);
	sqlite3_reset(statement);
	if (found < 0 || usable)
		return found < 0 ? found : 0;
	if (found) {
		database->damaged = true;
		return error_set(PROCOBSRV_ERROR_CORRUPT, "%s: its key is damaged", database->path);
	}
	int error = record_begin(database);
	if (!error && !(error = make_state(database)))
		error = record_commit(database);
	if (error)
		record_rollback(database);
	return error;
}

/* Everything after the connection. */
bool record_database_cut_log(struct record_database *database)
{
	sqlite3 *connection = database->connection;

	sqlite3_busy_timeout(connection, 0);
	int status =
	    sqlite3_wal_checkpoint_v2(connection, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(connection, BUSY_MILLISECONDS);
	return status == SQLITE_OK;
}

static int begin(struct record_database *database, uint64_t cache_size, uint64_t log_size)
{
	bool is_new = false;
	int error = check_kind(database, &is_new);

	if (!error && is_new)
		error = prepare_new(database);
	if (!error)
		error = set_up(database, cache_size, log_size);
	if (error)
		return error;
	int status = record_migrate(database->connection, record_steps, RECORD_VERSION_NOW);
	if (status)
		return record_database_failed(database, status, "bring it to this version");
	error = record_statements_prepare(database);
	if (!error && !is_new)
		error = look_through(database);
	return error ? error : load_state(database);
}

int record_database_open(struct record_database *database, const char *path, uint64_t cache_size,
			 uint64_t log_size)
{
	struct stat status;

	*database = (struct record_database){.path = path};
	int error = record_file_prepare(path, RECORD_APPLICATION_ID, RECORD_VERSION_NOW);
	if (error)
		return error;
	error = connect_to(database);
	if (!error)
		error = begin(database, cache_size, log_size);
	if (!error && stat(path, &status))
		error = error_set_errno(errno, "%s: cannot look at it", path);
	if (!error) {
		database->device = status.st_dev;
		database->inode = status.st_ino;
		return 0;
	}
	if (database->damaged)
		return record_database_set_aside(database);
	record_database_close(database);
	return error;
}

/* ---- closing ---- */

void record_database_close(struct record_database *database)
{
	for (int statement = 0; statement < RECORD_STATEMENTS; statement++)
		sqlite3_finalize(database->statements[statement]);
	sqlite3_close(database->connection);
	*database = (struct record_database){.path = database->path};
}

int record_database_set_aside(struct record_database *database)
{
	char reason[ERROR_TEXT_SIZE];

	error_save(reason);
	/* What is damaged is not touched any more. */
	sqlite3_db_config(database->connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	record_database_close(database);
	return record_file_set_aside(database->path, reason);
}

bool record_database_in_place(const struct record_database *database)
{
	struct stat status;

	return !stat(database->path, &status) && status.st_dev == database->device &&
	       status.st_ino == database->inode;
}
