/* SPDX-License-Identifier: MIT */
/* Events as text: one line each, written at the end of a buffer. */
#ifndef PROCOBSRV_LIB_FORMAT_H
#define PROCOBSRV_LIB_FORMAT_H

#include "buffer.h"
#include "procobsrv.h"

/* What stands in the begin line of a JSON-lines file. */
struct format_begin {
	int64_t time_ns;
	const char *host;
	const char *boot;
	const char *backend;
	const char *version;
	const char *limits; /* NULL: none */
	uint64_t seq;	    /* of the last event in an earlier file of this run; 0: none */
	bool resident;	    /* of the resident observer: readers go on from seq, also from 0 */
};

/* What stands in the end line. */
struct format_end {
	int64_t time_ns;
	uint64_t seq;
	const struct procobsrv_statistics *statistics;
};

#define FORMAT_SCHEMA 1

/* JSON lines as docs/event.schema.json has them: each call appends one object and a line end. */
void format_json_event(struct buffer *buffer, const struct procobsrv_event *event);
void format_json_begin(struct buffer *buffer, const struct format_begin *begin);
void format_json_end(struct buffer *buffer, const struct format_end *end);
/* A process alone (consctl list --format json): an object of kind "existing". */
void format_json_process(struct buffer *buffer, const struct procobsrv_process *process);

/* The same as documents of the Elastic Common Schema. */
void format_ecs_event(struct buffer *buffer, const struct procobsrv_event *event);
void format_ecs_begin(struct buffer *buffer, const struct format_begin *values);
void format_ecs_end(struct buffer *buffer, const struct format_end *values);

struct format_text_options {
	unsigned columns; /* cut lines to this width; 0: do not cut */
	bool color;
	/* Writes whose process it is, for people; NULL: the number is shown. */
	void (*user_name)(const struct procobsrv_process *process, char *text, size_t size);
};

/* Text for people: aligned columns; whatever a process can choose is escaped. */
void format_text_header(struct buffer *buffer, const struct format_text_options *options);
void format_text_event(struct buffer *buffer, const struct procobsrv_event *event,
		       const struct format_text_options *options);
/* Appends text so that it cannot send control sequences: C0, C1, DEL, invalid UTF-8 and
 * bidirectional controls become \n, \t, \xHH or \u{HHHH}; a backslash becomes two. */
void format_text_escape(struct buffer *buffer, const char *text);
/* Appends argv joined by spaces, quoted as a shell would need it, and escaped. */
void format_text_argv(struct buffer *buffer, const char *const *argv, size_t argc);
/* Appends what was called: argv so; on Windows the command line, or the path where that is not
 * known. False: nothing is known, and nothing was appended. */
bool format_text_command(struct buffer *buffer, const struct procobsrv_process *process);
/* Columns that the escaped bytes take on a terminal (wide characters count as two). */
size_t format_text_width(const char *text, size_t size);

#endif
