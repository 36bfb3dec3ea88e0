/* SPDX-License-Identifier: MIT */
/*
 * What the system tells of one running process, in the words of observer/record.h and in the form
 * in which the driver tells it: times since 1970, images as the kernel names them, UTF-16LE.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_RUNNING_PROCESS_H
#define PROCOBSRV_LIB_WINDOWS_RUNNING_PROCESS_H

#include "arena.h"
#include "record.h"

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

/* Nanoseconds since 1970 of the system's count of 100 ns since 1601; 0 stays 0. */
uint64_t running_process_time_ns(uint64_t system_time);

/*
 * A handle to ask it by, or to wait for its end; the caller closes it. NULL: GetLastError() tells
 * (ERROR_INVALID_PARAMETER: there is none of this id).
 */
HANDLE running_process_open(uint32_t pid);

/* Identity, parent's pid, session. False: the system does not tell. */
bool running_process_body(HANDLE process, struct record_body *body);

/* A body that tells nothing. */
struct record_body running_process_unknown(void);

/* Status and usage of a process that has ended; *end_ns, which is only set if the system tells. */
struct record_exit running_process_exit(HANDLE process, uint64_t *end_ns);

/* The strings of a process; reused from one to the next. */
struct running_image {
	struct record_image image;
	struct record_bytes strings[RECORD_STRING_COUNT];
	struct arena text;
};

/*
 * Reads image path, command line and user. `process` NULL: nobody is there any more to ask, or
 * (`denied`) we may not; all is marked so.
 */
void running_image_read(HANDLE process, uint32_t pid, bool denied, struct running_image *image);
void running_image_free(struct running_image *image);

#endif
