/* SPDX-License-Identifier: MIT */
/* Opening the record, and what its other readers here stand on. */
#include "record_reader_private.h"

#include "buffer.h"
#include "error.h"
#include "record_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
/* The service holds its lock for moments only, but a power cut leaves a log to be recovered. */
#define BUSY_MS	  5000
#define CACHE_KIB "-32768"

#define EXEC_COLUMNS                                                                               \
	"id, origin, time_ns, name, exe, argv, cwd, filename, script, interpreter, env, tty, "     \
	"cgroup, flags, uid, gid, euid, egid, loginuid, session, missing"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [STATEMENT_PROCESS] = "SELECT identity, pid, ppid, parent, creator, origin, start_ns, name, "
			  "exe, uid, end_ns, code, signal, core_dumped, duration_ns, cpu_ns, "
			  "user_ns, system_ns, max_rss_bytes FROM processes WHERE id = ?1",
    [STATEMENT_PARENT] = "SELECT parent FROM processes WHERE id = ?1",
    [STATEMENT_EXECS] = "SELECT " EXEC_COLUMNS " FROM execs WHERE process = ?1 ORDER BY id",
    [STATEMENT_EXEC_THEN] = "SELECT " EXEC_COLUMNS " FROM execs "
			    "WHERE process = ?1 AND time_ns <= ?2 ORDER BY id DESC LIMIT 1",
    [STATEMENT_ATTEMPTS] = ("SELECT id, time_ns, path, argv, error FROM attempts "
			    "WHERE process = ?1 ORDER BY id"),
    [STATEMENT_TEXT] = "SELECT bytes FROM texts WHERE id = ?1",
};

static int code_of(int result)
{
	switch (result & 0xff) {
	case SQLITE_NOMEM:
		return PROCOBSRV_ERROR_MEMORY;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return PROCOBSRV_ERROR_BUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return PROCOBSRV_ERROR_PERMISSION;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or a column that is not there */
		return PROCOBSRV_ERROR_CORRUPT;
	default:
		return PROCOBSRV_ERROR_SYSTEM;
	}
}

static const char *advice_of(int code)
{
	switch (code) {
	case PROCOBSRV_ERROR_BUSY:
		return "; somebody holds it locked: ask again";
	case PROCOBSRV_ERROR_CORRUPT:
		return "; is it a record that procobsrvd wrote?";
	default:
		return "";
	}
}

int reader_failed(struct record_reader *reader)
{
	int code = code_of(sqlite3_extended_errcode(reader->database));

	return error_set(code, "cannot read the record '%s': %s%s", reader->path,
			 sqlite3_errmsg(reader->database), advice_of(code));
}

int reader_prepare(struct record_reader *reader, const char *sql, sqlite3_stmt **statement)
{
	if (sqlite3_prepare_v2(reader->database, sql, -1, statement, NULL) != SQLITE_OK)
		return reader_failed(reader);
	return 0;
}

int reader_statement(struct record_reader *reader, enum reader_statement which,
		     sqlite3_stmt **statement)
{
	sqlite3_stmt **kept = &reader->statements[which];

	if (!*kept && sqlite3_prepare_v3(reader->database, statement_texts[which], -1,
					 SQLITE_PREPARE_PERSISTENT, kept, NULL) != SQLITE_OK)
		return reader_failed(reader);
	*statement = *kept;
	return 0;
}

int reader_step(struct record_reader *reader, sqlite3_stmt *statement)
{
	switch (sqlite3_step(statement)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	default:
		return reader_failed(reader);
	}
}

int record_reader_begin(struct record_reader *reader)
{
	if (sqlite3_exec(reader->database, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return reader_failed(reader);
	return 0;
}

void record_reader_end(struct record_reader *reader)
{
	sqlite3_exec(reader->database, "COMMIT", NULL, NULL, NULL);
}

struct sqlite3 *record_reader_database(const struct record_reader *reader)
{
	return reader->database;
}

/* SQLite says "unable to open database file", whatever the reason. */
static int check_file(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (file >= 0) {
		bool is_file = !fstat(file, &status) && S_ISREG(status.st_mode);
		bool is_directory = !is_file && S_ISDIR(status.st_mode);
		close(file);
		if (is_file)
			return 0;
		/* SQLite would wait for who writes into a pipe. */
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "'%s' is no record that procobsrvd wrote, but %s", path,
				 is_directory ? "a directory" : "a pipe or device");
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "there is no record '%s': procobsrvd keeps one while it runs, "
				 "where its configuration says; name it with --record FILE",
				 path);
	if (errno == EACCES || errno == EPERM)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "the record '%s' is not yours to read: root and the members of "
				 "the group procobsrv may ('adduser USER procobsrv', then log in "
				 "anew)",
				 path);
	return error_set_errno(errno, "cannot open the record '%s'", path);
}

/* A path as SQLite's URIs have it: what means something there is written as %HH. */
static void append_uri(struct buffer *uri, const char *path, bool immutable)
{
	static const char digits[] = "0123456789abcdef";

	buffer_append_text(uri, "file:");
	for (; *path; path++) {
		unsigned char byte = (unsigned char)*path;

		if (strchr("?#%", byte) || byte <= ' ' || byte > '~') {
			buffer_append_character(uri, '%');
			buffer_append_character(uri, digits[byte >> 4]);
			buffer_append_character(uri, digits[byte & 0xf]);
		} else {
			buffer_append_character(uri, (char)byte);
		}
	}
	buffer_append_text(uri, immutable ? "?mode=ro&immutable=1" : "?mode=ro");
	buffer_append_character(uri, '\0');
}

static int open_database(struct record_reader *reader)
{
	struct buffer uri = BUFFER_EMPTY;
	int result = SQLITE_NOMEM;

	append_uri(&uri, reader->path, reader->immutable);
	if (!uri.failed)
		result = sqlite3_open_v2(uri.data, &reader->database,
					 SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	buffer_free(&uri);
	if (!reader->database)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the record '%s'",
				 reader->path);
	if (result != SQLITE_OK)
		return reader_failed(reader);
	sqlite3_busy_timeout(reader->database, BUSY_MS);
	/* A question jumps about in the file: what it comes back to is not read again. */
	if (sqlite3_exec(reader->database, "PRAGMA cache_size = " CACHE_KIB, NULL, NULL, NULL) !=
	    SQLITE_OK)
		return reader_failed(reader);
	return 0;
}

static void close_database(struct record_reader *reader)
{
	for (int which = 0; which < STATEMENT_COUNT; which++) {
		sqlite3_finalize(reader->statements[which]);
		reader->statements[which] = NULL;
	}
	sqlite3_close(reader->database);
	reader->database = NULL;
}

/* The first look at the file itself. */
static int read_version(struct record_reader *reader, int *version)
{
	sqlite3_stmt *statement = NULL;
	int result = reader_prepare(reader, "PRAGMA user_version", &statement);

	if (!result)
		result = reader_step(reader, statement);
	if (result > 0)
		*version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}

/*
 * Who may not write beside the file cannot read it by SQLite's rules when nobody else has it open:
 * its log is gone then, and with it the reason to look for one.
 */
static bool can_be_immutable(const struct record_reader *reader)
{
	int result = sqlite3_errcode(reader->database);
	struct buffer log = BUFFER_EMPTY;
	bool absent;

	if (result != SQLITE_CANTOPEN && result != SQLITE_READONLY)
		return false;
	buffer_append_text(&log, reader->path);
	buffer_append(&log, "-wal", sizeof("-wal"));
	absent = !log.failed && access(log.data, F_OK) && errno == ENOENT;
	buffer_free(&log);
	return absent;
}

static int open_checked(struct record_reader *reader)
{
	sqlite3_stmt *statement = NULL;
	int version = 0;
	int error = open_database(reader);

	if (!error)
		error = read_version(reader, &version);
	if (error && reader->database && !reader->immutable && can_be_immutable(reader)) {
		close_database(reader);
		reader->immutable = true;
		return open_checked(reader);
	}
	if (error)
		return error;
	if (version > SCHEMA_VERSION)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "the record '%s' has schema %d, and this version knows %d: it was "
				 "written by a newer procobsrvd; use the consctl that came with it",
				 reader->path, version, SCHEMA_VERSION);
	error = reader_statement(reader, STATEMENT_PROCESS, &statement);
	if (error)
		return error_set(error,
				 "'%s' is no record that procobsrvd wrote, or a damaged one: %s",
				 reader->path, sqlite3_errmsg(reader->database));
	return 0;
}

int record_reader_open(const char *path, struct record_reader **opened)
{
	struct record_reader *reader;
	int error = check_file(path);

	if (error)
		return error;
	reader = calloc(1, sizeof(*reader));
	if (reader)
		reader->path = strdup(path);
	if (!reader || !reader->path) {
		free(reader);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the record '%s'", path);
	}
	error = open_checked(reader);
	if (error) {
		record_reader_close(reader);
		return error;
	}
	*opened = reader;
	return 0;
}

void record_reader_close(struct record_reader *reader)
{
	if (!reader)
		return;
	close_database(reader);
	free(reader->path);
	free(reader);
}

static int read_key(struct record_reader *reader, uint8_t key[RECORD_HASH_KEY_SIZE])
{
	sqlite3_stmt *statement = NULL;
	int result =
	    reader_prepare(reader, "SELECT value FROM state WHERE name = 'hash-key'", &statement);

	if (!result)
		result = reader_step(reader, statement);
	if (result > 0 && sqlite3_column_bytes(statement, 0) == RECORD_HASH_KEY_SIZE) {
		memcpy(key, sqlite3_column_blob(statement, 0), RECORD_HASH_KEY_SIZE);
		result = 0;
	} else if (result >= 0) {
		result = error_set(PROCOBSRV_ERROR_CORRUPT,
				   "the record '%s' has lost the key of its texts", reader->path);
	}
	sqlite3_finalize(statement);
	return result;
}

int reader_find_text(struct record_reader *reader, const char *text, int64_t *row)
{
	sqlite3_stmt *statement = NULL;
	uint8_t key[RECORD_HASH_KEY_SIZE];
	size_t size = strlen(text);
	int result = read_key(reader, key);

	if (!result)
		result = reader_prepare(
		    reader, "SELECT id FROM texts WHERE hash = ?1 AND bytes = ?2", &statement);
	if (result)
		return result;
	sqlite3_bind_int64(statement, 1, record_hash(key, text, size));
	sqlite3_bind_blob64(statement, 2, text, size, SQLITE_STATIC);
	result = reader_step(reader, statement);
	if (result >= 0)
		*row = result ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}

int record_origin(struct record_reader *reader, char *host, size_t host_size, char *boot,
		  size_t boot_size)
{
	sqlite3_stmt *statement = NULL;
	int result = reader_prepare(reader, "SELECT host, boot FROM boots ORDER BY id DESC LIMIT 1",
				    &statement);

	if (result)
		return result;
	result = reader_step(reader, statement);
	if (result >= 0) {
		sqlite3_snprintf((int)host_size, host, "%s",
				 result ? (const char *)sqlite3_column_text(statement, 0) : "");
		sqlite3_snprintf((int)boot_size, boot, "%s",
				 result ? (const char *)sqlite3_column_text(statement, 1) : "");
	}
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}

int record_oldest(struct record_reader *reader, int64_t *time_ns)
{
	sqlite3_stmt *statement = NULL;
	int result = reader_prepare(reader, "SELECT min(time_ns) FROM execs", &statement);

	if (result)
		return result;
	result = reader_step(reader, statement);
	if (result >= 0)
		*time_ns = result && sqlite3_column_type(statement, 0) != SQLITE_NULL
			       ? sqlite3_column_int64(statement, 0)
			       : INT64_MAX;
	sqlite3_finalize(statement);
	return result < 0 ? result : 0;
}
