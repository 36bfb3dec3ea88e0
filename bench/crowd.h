/* SPDX-License-Identifier: MIT */
/* A crowd of readers of the service: what crowd.c has them write down, and crowd_reader.c does. */
#ifndef PROCOBSRV_BENCH_CROWD_H
#define PROCOBSRV_BENCH_CROWD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CROWD_READERS_MAX 256
#define CROWD_WORKERS	  2 /* of the storm */

/* Kinds of events that are counted. */
enum crowd_kind { CROWD_START, CROWD_EXEC, CROWD_EXIT, CROWD_KINDS };

/* What a reader was told of one process of the storm: a bit each, 1 << enum crowd_kind. */
struct crowd_seen {
	uint32_t pid;
	uint8_t told;
	uint8_t code;
	uint8_t signal;
	uint8_t twice; /* told of it that had been told before */
};

/* One reader, in memory that it shares with crowd.c. Between the exits of two processes that mark
 * begin and end, it counts everything that it is told, of the storm or not. */
struct crowd_reader {
	_Atomic uint32_t ready; /* it reads; and has seen the mark of the begin: 2 */
	_Atomic uint32_t ended; /* it has seen the mark of the end, and all else here is final */
	_Atomic uint64_t told;	/* events so far: moves while it is alive */
	_Atomic uint64_t storm; /* of them, execs of the storm */
	uint64_t events[CROWD_KINDS];
	uint64_t lost[CROWD_KINDS];
	uint64_t lost_unknown;
	uint64_t lost_other; /* kinds that nobody asked for */
	uint64_t gaps;
	uint64_t disorder; /* a process, or a worker's next one, before what comes before it */
	uint64_t strange;  /* processes of the storm that it cannot have made */
	uint64_t spilled;  /* bytes that the library wrote to disk for it */
	uint64_t cpu_ns;
};

/* The storm as the readers need to know it. */
struct crowd_storm {
	const char *child;   /* path of its program, which nobody else runs */
	uint64_t per_worker; /* processes of a worker, at most */
};

/* The tags of a storm: worker and number of the process, from 0 (bench/storm_worker.c). */
static inline uint32_t crowd_worker(uint64_t tag)
{
	return (uint32_t)(tag >> 40 & 0xff);
}

static inline uint64_t crowd_index(uint64_t tag)
{
	return (tag & 0xffffffffffu) - 1;
}

/*
 * Reads the service until the mark of the end, in a process of its own. `processes`: CROWD_WORKERS
 * times which->per_worker. Returns an exit status: 0, or 1 with a line on standard error.
 */
int crowd_read(const struct crowd_storm *which, struct crowd_reader *mine,
	       struct crowd_seen *processes);

#endif
