/* SPDX-License-Identifier: MIT */
/* Files of lines. */
#ifndef PROCOBSRV_CONSCTL_LINES_H
#define PROCOBSRV_CONSCTL_LINES_H

#include <stdbool.h>
#include <stddef.h>

/* A line without its end, borrowed. `torn`: it has no end, since its writer was cut off. */
typedef void (*lines_on_line)(const char *line, size_t size, bool torn, void *param);

/* Calls on_line for each line of a file ("-": standard input). An exit status; other than
 * STATUS_FINE: complained already. */
int lines_read(const char *path, lines_on_line on_line, void *param);

#endif
