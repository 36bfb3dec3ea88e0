/* SPDX-License-Identifier: MIT */
/* Events of each kind, made up, for the tests of formats and filters. */
#ifndef PROCOBSRV_TESTS_UNIT_SAMPLE_EVENTS_H
#define PROCOBSRV_TESTS_UNIT_SAMPLE_EVENTS_H

#include "procobsrv.h"

#define SAMPLE_TIME_NS INT64_C(1795328000123456789) /* 2026-11-22T06:13:20.123456789Z */

extern const struct procobsrv_event sample_existing;
extern const struct procobsrv_event sample_start;
extern const struct procobsrv_event sample_exec;
extern const struct procobsrv_event sample_exec_failed;
extern const struct procobsrv_event sample_exit;
extern const struct procobsrv_event sample_crowd; /* of more threads than were read */
extern const struct procobsrv_event sample_killed;
/* Found to be gone after a gap: how it ended is not known. */
extern const struct procobsrv_event sample_gone;
extern const struct procobsrv_event sample_lost;

/* An exec with every field there is, and with bytes that are not UTF-8 wherever bytes may be. */
extern const struct procobsrv_event sample_full;
/* What a start looks like where programs are started, not forked. */
extern const struct procobsrv_event sample_command_line;
/* The same with text that is no Unicode; and one that ended with a status of the kernel. */
extern const struct procobsrv_event sample_odd;
extern const struct procobsrv_event sample_crash;
/* A process of which next to nothing is known. */
extern const struct procobsrv_event sample_bare;

/* All of them, ended by NULL. */
extern const struct procobsrv_event *const sample_events[];

#endif
