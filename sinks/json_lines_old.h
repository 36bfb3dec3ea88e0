/* SPDX-License-Identifier: MIT */
/*
 * Files of JSON lines that were put aside: PATH-20261123T110044Z, the time (UTC) of when they were.
 * No name is older than one that was there before, so that the names are in the order of the lines
 * however the clock was set. What follows the name (".gz") is the administrator's.
 */
#ifndef PROCOBSRV_SINKS_JSON_LINES_OLD_H
#define PROCOBSRV_SINKS_JSON_LINES_OLD_H

#include <stdint.h>

/* Renames PATH. 0, or an error with error_set(): PATH is still there. */
int json_lines_old_add(const char *path);

/* The newest of them, to be freed; NULL: there is none, or no memory. */
char *json_lines_old_newest(const char *path);

struct json_lines_old {
	uint64_t count;
	uint64_t bytes;
	char *oldest; /* to be freed; NULL: there is none */
};

/* Removes the oldest until `keep` are left, and tells of these. */
int json_lines_old_prune(const char *path, uint64_t keep, struct json_lines_old *old);

#endif
