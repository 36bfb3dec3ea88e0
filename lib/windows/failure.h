/* SPDX-License-Identifier: MIT */
/* What the system's error numbers are for the portable half. */
#ifndef PROCOBSRV_LIB_WINDOWS_FAILURE_H
#define PROCOBSRV_LIB_WINDOWS_FAILURE_H

#include "error.h"

#include <stddef.h>

/*
 * error_set() for a system call that failed with `error` (GetLastError()): appends the system's
 * text, name and number of it. Picks the code: ACCESS_DENIED and its like are PERMISSION, what is
 * not there NOT_FOUND, what is in use BUSY, what this system does not have UNSUPPORTED; else
 * SYSTEM.
 */
int error_set_windows(unsigned long error, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* The system's words without their line end and full stop, NUL-terminated; empty: it has none. */
void failure_text(unsigned long error, char *text, size_t size);

/* The nearest errno, EIO if there is none; for functions of lib/os.h that return one. */
int failure_errno(unsigned long error);

#endif
