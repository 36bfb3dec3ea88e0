/* SPDX-License-Identifier: MIT */
/*
 * What time it is, as far as it is believed: the age of what is removed. The machine's clock may be
 * set a year ahead by mistake and back again, and must not take a year's record with it; or be
 * right after the machine was off for a year. So this clock follows the machine's, at most
 * RECORD_CLOCK_SPEED times as fast as time passes: an hour of a wrong clock costs the oldest day.
 * It is kept in the record. One thread at a time.
 */
#ifndef PROCOBSRV_SINKS_RECORD_CLOCK_H
#define PROCOBSRV_SINKS_RECORD_CLOCK_H

#include "record_database.h"

#define RECORD_CLOCK_SPEED 25

struct record_clock {
	int64_t believed_ns; /* wall clock */
	uint64_t boot_ns;    /* boot clock: when it was that */
	int64_t stored_ns;   /* what the record has of it; 0: nothing */
};

/* Goes on from what the record has; one that has nothing believes its latest event, or wall_ns. */
int record_clock_begin(struct record_clock *clock, struct record_database *database,
		       int64_t wall_ns, uint64_t boot_ns);

/* Follows: what the two clocks of the machine say now. */
void record_clock_follow(struct record_clock *clock, int64_t wall_ns, uint64_t boot_ns);

/* From where on times are to come, those of a wrong clock: INT64_MAX if now is not believed. */
int64_t record_clock_later(const struct record_clock *clock, int64_t wall_ns);

/* Writes it, if it has moved by a minute; within a transaction. */
int record_clock_store(struct record_clock *clock, struct record_database *database);

#endif
