/* SPDX-License-Identifier: MIT */
/*
 * The files of the JSON lines: the one that is written, PATH, and those that were before it,
 * PATH-20261123T110044Z and so on, named after when they were put aside; so their names are in the
 * order of their lines, whatever the clock did meanwhile.
 */
#ifndef PROCOBSRV_SINKS_JSON_LINES_FILE_H
#define PROCOBSRV_SINKS_JSON_LINES_FILE_H

#include "json_lines_account.h"
#include "line_file.h"

struct json_lines_file {
	struct os_file *lines; /* NULL: not open */
	uint64_t size;	       /* bytes that are whole lines */
};

/*
 * Opens PATH, or makes it (and the directory that it is in), and holds it so that no other service
 * writes to it. What a run that was cut off left of a last line is removed. *account then tells of
 * the lines in it; if it is empty, the numbers go on from what *account knew, or from where the
 * newest of the others ended. BUSY, CORRUPT (not JSON lines of ours), PERMISSION (a link, somebody
 * else's file), or a system's error.
 */
int json_lines_file_open(const struct line_file_place *place, struct json_lines_file *file,
			 struct json_lines_account *account);

/* Writes all of it or nothing: what was written of it before an error is removed again. */
int json_lines_file_append(const struct line_file_place *place, struct json_lines_file *file,
			   const struct buffer *buffer);

/* What is written is on the disk when it returns. */
int json_lines_file_sync(const struct line_file_place *place, const struct json_lines_file *file);

/* Whether PATH is still this file: others may have renamed or removed it. */
bool json_lines_file_is_there(const struct line_file_place *place,
			      const struct json_lines_file *file);

/* Whether somebody has emptied it, or made it shorter than it was. */
bool json_lines_file_is_cut(const struct json_lines_file *file);

/* Puts PATH aside under a name of its own and closes it. */
int json_lines_file_put_aside(const struct line_file_place *place, struct json_lines_file *file);

/* The wall clock of the first begin line of a file; 0: it tells none. */
int64_t json_lines_file_begin_ns(const char *path);

void json_lines_file_close(struct json_lines_file *file);

#endif
