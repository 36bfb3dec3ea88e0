/* SPDX-License-Identifier: MIT */
/*
 * What the kernel's observer cannot tell and /proc can, of a process that is known by its identity:
 * a pid alone may have gone to another one.
 */
#ifndef PROCOBSRV_LIB_LINUX_PROC_FILES_H
#define PROCOBSRV_LIB_LINUX_PROC_FILES_H

#include "buffer.h"
#include "record.h"

/*
 * Opens /proc/PID if it is that of the process that started at identity->start_ns. The descriptor
 * is the caller's, and leads to that process alone, also when it has ended. -1: it is gone, or its
 * pid means nothing in the /proc of this namespace.
 */
int proc_files_open(const struct record_identity *identity);

/*
 * Appends a file of the directory (cmdline, environ), at most `most` bytes of it. Tells what is
 * not whole: TOO_LATE if the process has ended, UNREADABLE, TRUNCATED; RECORD_WHOLE.
 */
enum record_missing proc_files_read(int directory, const char *name, struct buffer *buffer,
				    uint64_t most);

/*
 * argv of a process that lives, for a record whose own could not be read: both of the above. What
 * it says is true now; after a further exec it is that one's.
 */
enum record_missing proc_files_read_argv(const struct record_identity *identity,
					 struct buffer *buffer, uint64_t most);

#endif
