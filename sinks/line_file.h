/* SPDX-License-Identifier: MIT */
/*
 * The file that lines are appended to, and those beside it: what a system supplies for
 * json_lines_file.h beyond lib/os.h. One implementation per OS folder.
 */
#ifndef PROCOBSRV_SINKS_LINE_FILE_H
#define PROCOBSRV_SINKS_LINE_FILE_H

#include "os.h"

struct line_file_place {
	const char *path;
	/* Of new files: who may read and write, as the nine bits of POSIX. On Windows the middle
	 * three are those of `group`, the last those of all who have logged on; the service's own
	 * user, administrators and the system may always. */
	unsigned mode;
	const char *group; /* NULL: as the system has it; on Windows none */
};

/* Where the system keeps such files, for who names no path. */
extern const char line_file_initial[];

/* Whether there is such a group: 0, or NOT_FOUND with error_set(). */
int line_file_check_group(const char *group);

/*
 * Opens PATH to read and append, or makes it (and the directory that it is in), and holds it so
 * that no other service writes to it. os_file_write() writes at its end, whatever the offset, if
 * others have changed its size. BUSY, PERMISSION (a link, somebody else's file, one that others may
 * write), or a system's error, with error_set().
 */
int line_file_open(const struct line_file_place *place, struct os_file **file);

/* Opens another to read, with its size. 0 or an errno: nothing that is no plain file. */
int line_file_open_old(const char *path, struct os_file **file, uint64_t *size);

/* Whether a write failed with this errno since there is no room. */
bool line_file_is_full(int error);

/* What is written is on the disk when it returns. 0 or an errno. */
int line_file_sync(const struct os_file *file);

/* Whether this is (still) the file's path. */
bool line_file_is_at(const struct os_file *file, const char *path);

/* Gives it another name, also while it is open. 0 or an errno; EEXIST: that name is taken. */
int line_file_rename(const char *path, const char *name);

/* 0 or an errno. */
int line_file_remove(const char *path);

/* The last part of a path. */
const char *line_file_name(const char *path);

#endif
