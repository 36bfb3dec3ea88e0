/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRV_BENCH_STORM_H
#define PROCOBSRV_BENCH_STORM_H

#include "truth.h"

#include <stdbool.h>

struct storm_options {
	uint64_t count; /* of all workers */
	uint32_t workers;
	enum truth_mode mode;
	const char *truth;
	uint64_t args_size;
	uint64_t rate; /* of all workers, per second; 0: no limit */
	bool spread;   /* exit codes 0 to 255 in turn, else `code` */
	uint8_t code;
	uint64_t signal_every;
	bool hold; /* all children live until the last one was made and hold_seconds are over */
	uint32_t hold_seconds;
	const char *child;
	uint64_t tag_base;
};

/*
 * One worker, in a process of its own: makes `count` processes (or threads), one after the other,
 * and writes them down. Returns its exit status: 0, or 1 with a line on standard error.
 */
int storm_work(const struct storm_options *options, uint32_t number, uint64_t count,
	       struct truth_child *children, struct truth_worker *worker);

uint64_t storm_clock_ns(void); /* boot clock */

#endif
