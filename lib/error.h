/* SPDX-License-Identifier: MIT */
/* The explanation behind procobsrv_explain(): one line for each thread. */
#ifndef PROCOBSRV_LIB_ERROR_H
#define PROCOBSRV_LIB_ERROR_H

#include "procobsrv.h"

/* Notes what failed, why and what to do, for the calling thread, and returns `code`. */
int error_set(int code, const char *format, ...) __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* The same for a system call: appends os_error_text(error). Picks the code by the errno:
 * EPERM, EACCES: PERMISSION; ENOMEM: MEMORY; ENOSYS, EOPNOTSUPP: UNSUPPORTED; else SYSTEM. */
int error_set_errno(int error, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 2, 3)));

/* Carries an explanation from one thread to another. */
#define ERROR_TEXT_SIZE 512
void error_save(char text[ERROR_TEXT_SIZE]);
void error_restore(const char *text);

#endif
