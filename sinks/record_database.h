/* SPDX-License-Identifier: MIT */
/*
 * The record's file: opening it so that what is committed stays, telling what is wrong with it, and
 * setting it aside when it is damaged. SQLite's errors become ours here.
 *
 * One thread at a time. Functions return 0 or a PROCOBSRV_ERROR_ code with error_set() called.
 */
#ifndef PROCOBSRV_SINKS_RECORD_DATABASE_H
#define PROCOBSRV_SINKS_RECORD_DATABASE_H

#include "record_hash.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#define RECORD_APPLICATION_ID 0x50724f62 /* "PrOb" */
#define RECORD_VERSION_NOW    1		 /* user_version of a file with the schema of record.sql */

/* A value of a column that is not known. */
#define RECORD_NULL INT64_MIN

enum record_statement {
	RECORD_BEGIN,
	RECORD_COMMIT,
	RECORD_ROLLBACK,
	RECORD_SET_STATE,
	RECORD_GET_STATE,
	RECORD_FIND_BOOT,
	RECORD_ADD_BOOT,
	RECORD_TOUCH_BOOT,
	RECORD_FIND_TEXT,
	RECORD_ADD_TEXT,
	RECORD_FIND_PROCESS,
	RECORD_LAST_PROCESS,
	RECORD_ADD_PROCESS,
	RECORD_FILL_PROCESS,
	RECORD_SET_PROGRAM,
	RECORD_SET_END,
	RECORD_ADD_EXEC,
	RECORD_ADD_ATTEMPT,
	RECORD_ADD_LOSS,
	RECORD_OLDEST_EVENT,
	RECORD_LATEST_EVENT,
	RECORD_ENDED_PROCESSES,
	RECORD_LATER_PROCESSES,
	RECORD_UNENDED_PROCESSES,
	RECORD_BARE_PROCESSES,
	RECORD_OLDEST_PROCESSES,
	RECORD_OLD_EXECS,
	RECORD_OLD_ATTEMPTS,
	RECORD_REMOVE_PROCESS,
	RECORD_REMOVE_EXEC,
	RECORD_REMOVE_ATTEMPT,
	RECORD_REMOVE_EXECS_OF,
	RECORD_REMOVE_ATTEMPTS_OF,
	RECORD_REMOVE_LOSSES,
	RECORD_FORGET_PARENT,
	RECORD_FORGET_CREATOR,
	RECORD_TEXT_RANGE,
	RECORD_TEXTS_OF_EXECS,
	RECORD_TEXTS_OF_PROCESSES,
	RECORD_TEXTS_OF_ATTEMPTS,
	RECORD_SOME_TEXTS,
	RECORD_REMOVE_TEXT,
	RECORD_STATEMENTS,
};

struct record_database {
	sqlite3 *connection; /* NULL: not open */
	sqlite3_stmt *statements[RECORD_STATEMENTS];
	const char *path; /* borrowed */
	dev_t device;	  /* of the file, to notice that somebody has moved it away */
	ino_t inode;
	uint8_t hash_key[RECORD_HASH_KEY_SIZE];
	bool damaged; /* SQLite has said so */
};

/*
 * Opens the file, or makes it (mode 0640) where there is none; `path` is borrowed until close.
 * cache_size: bytes of memory for its pages; log_size: bytes that the -wal has about, at most, if
 * no reader holds a transaction open. A damaged file is set aside: CORRUPT, and the next call makes
 * a new one. VERSION: made by a newer version; ARGUMENT: no record of ours, or a directory that
 * others may write into; PERMISSION, NOT_FOUND, BUSY, SYSTEM. These leave the file as it is, and
 * *database closed.
 */
int record_database_open(struct record_database *database, const char *path, uint64_t cache_size,
			 uint64_t log_size);

/* Of an open one or not. */
void record_database_close(struct record_database *database);

/*
 * What a failure of SQLite means, by its extended code: error_set() with `what` could not be done,
 * why, and what to do. Notes whether the file is damaged.
 */
int record_database_failed(struct record_database *database, int status, const char *what);

/*
 * Closes a damaged file and moves it aside, with its -wal and -shm: CORRUPT with error_set() that
 * tells where to, or why that failed.
 */
int record_database_set_aside(struct record_database *database);

/* Whether the file that is open still has its name. */
bool record_database_in_place(const struct record_database *database);

/* Bytes on disk of a record: the file, its -wal and its -shm. */
uint64_t record_database_size(const char *path);
/* Of these the log's, its -wal. */
uint64_t record_database_log_size(const char *path);

/* Moves all of the log into the file, and empties it; false: another program still reads what is in
 * it, or locks the file. Does not wait. Outside of transactions. */
bool record_database_cut_log(struct record_database *database);

/* Prepares them all, which also shows whether every table and column is there. */
int record_statements_prepare(struct record_database *database);

/* The statement, ready to be bound. */
sqlite3_stmt *record_statement(struct record_database *database, enum record_statement statement);

/* Binds a number; RECORD_NULL as NULL. */
void record_bind(sqlite3_stmt *statement, int index, int64_t value);

/* The number of a column; RECORD_NULL for NULL. */
int64_t record_column(sqlite3_stmt *statement, int index);

/* Runs a statement that is bound and has no rows. `what` as in record_database_failed(). */
int record_run(struct record_database *database, enum record_statement statement, const char *what);

/*
 * The next row: 1; 0: there is none (more); or an error. The statement must be reset
 * (record_statement() does, sqlite3_reset()) before a commit.
 */
int record_step(struct record_database *database, sqlite3_stmt *statement, const char *what);

/* A pragma whose value is a number. */
int record_pragma(struct record_database *database, const char *pragma, int64_t *value);

/* Between these a transaction; record_rollback() is for after a failure, also of the commit. */
int record_begin(struct record_database *database);
int record_commit(struct record_database *database);
void record_rollback(struct record_database *database);

#endif
