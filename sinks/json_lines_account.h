/* SPDX-License-Identifier: MIT */
/*
 * The account of a file of JSON lines: from where to where its run reaches, and what of that it
 * holds. Kept while lines are written; read from the lines of a file that another run has left.
 */
#ifndef PROCOBSRV_SINKS_JSON_LINES_ACCOUNT_H
#define PROCOBSRV_SINKS_JSON_LINES_ACCOUNT_H

#include "buffer.h"
#include "procobsrv.h"
#include "record_cursor.h"

#include <stdbool.h>

struct json_lines_account {
	bool open;		      /* a begin line without its end line */
	uint64_t begin_seq;	      /* the last number before this run */
	uint64_t seq;		      /* the last number that is accounted for */
	uint64_t delivered;	      /* lines with a number of their own since the begin line */
	uint64_t lost;		      /* told by lost lines since then */
	bool known_stream;	      /* stream is that of the last event */
	uint64_t stream;	      /* of the kernel: another one has other numbers */
	struct record_cursor last;    /* in it: of the last event with a record of its own */
	int64_t begin_ns;	      /* wall clock: of the first begin line in the file; 0: none */
	enum procobsrv_format format; /* of the file; JSON or ECS */
};

/* Forgets what is about one file, not where the numbers stand. */
void json_lines_account_next_file(struct json_lines_account *account);

/* Whether the event is in the file, or in one before it. */
bool json_lines_account_has(const struct json_lines_account *account,
			    const struct procobsrv_event *event);

/* Accounts for an event and appends its line, with an end line and a begin line before it where the
 * stream is another one, or none has begun. */
void json_lines_account_append(struct json_lines_account *account,
			       const struct procobsrv_event *event, struct buffer *buffer);

/* Appends the end line of a run that is open. */
void json_lines_account_end(struct json_lines_account *account, struct buffer *buffer);

/* Whether text of this size, the beginning of a file, may be lines of this service. */
bool json_lines_account_is_ours(const char *text, size_t size);

/* Accounts for a line without its end, as another run wrote it. False: it is no whole line. */
bool json_lines_account_read(struct json_lines_account *account, const char *line, size_t size);

#endif
