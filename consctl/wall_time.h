/* SPDX-License-Identifier: MIT */
/* Times of the wall clock as people and JSON lines write them. */
#ifndef PROCOBSRV_CONSCTL_WALL_TIME_H
#define PROCOBSRV_CONSCTL_WALL_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads RFC 3339 (2026-11-22T06:13:00.123456789Z, or +01:00 at its end). False: it is none. */
bool wall_time_read(const char *text, size_t size, int64_t *time_ns);

/*
 * Reads what somebody types: RFC 3339; "2026-11-22 06:13:00.5", "2026-11-22 06:13" or "2026-11-22"
 * (its midnight) in local time, also with "today" or "yesterday" for the date; "06:13:00.5" or
 * "06:13" on the local day of `day_ns`; "now"; "2 hours ago", "1h 30min ago" or "-2h", counted from
 * `now_ns`; "@1795328000.5", seconds since 1970. False: none of these.
 */
bool wall_time_read_typed(const char *text, int64_t day_ns, int64_t now_ns, int64_t *time_ns);

#endif
