/* SPDX-License-Identifier: MIT */
/* Functions that only some systems have: looked up when needed, so that programs load on all. */
#ifndef PROCOBSRV_LIB_WINDOWS_LOOKUP_H
#define PROCOBSRV_LIB_WINDOWS_LOOKUP_H

typedef void (*lookup_function)(void);

/*
 * The function `name` of a system's module ("ntdll.dll") that every process has loaded, to be cast
 * to its type; NULL: this system does not have it.
 */
lookup_function lookup(const char *module, const char *name);

#endif
