/* SPDX-License-Identifier: MIT */
/* Errors of Windows as the numbers that platform.h's functions return. */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_SYSTEM_ERROR_H
#define PROCOBSRV_CONSCTL_WINDOWS_SYSTEM_ERROR_H

#include <windows.h>

/* The errno that means the same where the portable files ask for it, else a number above all
 * errnos that platform_error_text() knows. `code` is of GetLastError(). */
int system_error_of(DWORD code);
/* The code that system_error_of() was given; 0: `error` is an errno. */
DWORD system_error_code(int error);

#endif
