/* SPDX-License-Identifier: MIT */
/* Arguments as Windows hands them over: one string. */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_OWN_ARGUMENTS_H
#define PROCOBSRV_CONSCTL_WINDOWS_OWN_ARGUMENTS_H

#include <stddef.h>

/* The arguments that this program was started with, in UTF-8, ended by NULL; for as long as it
 * runs. NULL: no memory. */
char **own_arguments(int *count);

/* A command line that programs split into these arguments (UTF-8, ended by NULL) again, quoted only
 * where that is needed. Owned by the caller; NULL: no memory. */
wchar_t *arguments_join(char *const *arguments);

#endif
