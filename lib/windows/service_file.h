/* SPDX-License-Identifier: MIT */
/* Where the driver's file is, and whether this machine can have it at all. */
#ifndef PROCOBSRV_LIB_WINDOWS_SERVICE_FILE_H
#define PROCOBSRV_LIB_WINDOWS_SERVICE_FILE_H

#include <stdbool.h>
#include <windows.h>

#define SERVICE_FILE_PATH_MAX 32768u /* characters, NUL included */

/* Beside the program or library that this code is in. */
bool service_file_beside(wchar_t path[SERVICE_FILE_PATH_MAX]);
/* Among the system's drivers. */
bool service_file_installed(wchar_t path[SERVICE_FILE_PATH_MAX]);

/*
 * Whether a service's image is that file: the system writes the same path in several ways
 * (\??\C:\..., \SystemRoot\..., relative to it).
 */
bool service_file_is(const wchar_t *image, const wchar_t *path);

/*
 * A 32-bit program on 64-bit Windows would find the wrong folder and bring the wrong driver; for
 * ARM64 there is none. 0, or PROCOBSRV_ERROR_UNSUPPORTED with error_set() called.
 */
int service_file_check_machine(void);

#endif
