/* SPDX-License-Identifier: MIT */
/* What the parts of the reader of the record share. */
#ifndef PROCOBSRV_SINKS_RECORD_READER_PRIVATE_H
#define PROCOBSRV_SINKS_RECORD_READER_PRIVATE_H

#include "record_reader.h"

#include <sqlite3.h>

/* Statements that are asked for each run. */
enum reader_statement {
	STATEMENT_PROCESS,
	STATEMENT_PARENT,
	STATEMENT_EXECS,
	STATEMENT_EXEC_THEN,
	STATEMENT_ATTEMPTS,
	STATEMENT_TEXT,
	STATEMENT_COUNT,
};

struct record_reader {
	sqlite3 *database;
	char *path;
	bool immutable; /* nobody had it open, and no log could be made beside it */
	sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* Notes what SQLite says, with what to do about it; returns the code of ours. */
int reader_failed(struct record_reader *reader);

/* Prepares a statement that is used once; freed with sqlite3_finalize(). */
int reader_prepare(struct record_reader *reader, const char *sql, sqlite3_stmt **statement);
/* One that is kept; reset it after use. */
int reader_statement(struct record_reader *reader, enum reader_statement which,
		     sqlite3_stmt **statement);

/* 1: there is a row; 0: no more; else an error. */
int reader_step(struct record_reader *reader, sqlite3_stmt *statement);

/* The row of the text; 0: it is not in the record. */
int reader_find_text(struct record_reader *reader, const char *text, int64_t *row);

/* Adds those that had begun before a moment and had not ended. */
int reader_find_running(struct record_reader *reader, int64_t at_ns, struct record_list *processes);

#endif
