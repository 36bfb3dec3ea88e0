/* SPDX-License-Identifier: MIT */
/*
 * From events to rows, within a transaction that the caller begins (record_begin()); what it writes
 * is a batch of record_processes.h.
 *
 * One thread at a time. Functions return 0 or a PROCOBSRV_ERROR_ code with error_set() called.
 */
#ifndef PROCOBSRV_SINKS_RECORD_ROWS_H
#define PROCOBSRV_SINKS_RECORD_ROWS_H

#include "buffer.h"
#include "record_cursor.h"
#include "record_processes.h"
#include "record_texts.h"

struct record_rows {
	struct record_database *database; /* borrowed, as are the next two */
	struct record_texts *texts;
	struct record_processes *processes;
	struct record_cursor cursor; /* up to here everything is on record, this batch included */

	char boot[RECORD_IDENTITY_SIZE]; /* the part of identities that names it */
	int64_t boot_id;		 /* 0: not known */
	int64_t boot_last_ns;		 /* of the batch's events of this boot */
	struct buffer scratch;
};

/* Reads the cursor. */
int record_rows_create(struct record_rows *rows, struct record_database *database,
		       struct record_texts *texts, struct record_processes *processes);
void record_rows_free(struct record_rows *rows);

/* The next event, unless it is on record; *kept tells. */
int record_rows_take(struct record_rows *rows, const struct procobsrv_event *event, bool *kept);

/* Writes what was put together, and the cursor. */
int record_rows_finish(struct record_rows *rows);

/* The transaction was undone, and the cursor is this one again. */
void record_rows_forget(struct record_rows *rows, const struct record_cursor *cursor);

#endif
