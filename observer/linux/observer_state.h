/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the eBPF programs and their readers share beside the ring, all of it in maps: a reader that
 * comes later, in another process, learns everything it must know from here.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_OBSERVER_STATE_H
#define PROCOBSRV_OBSERVER_LINUX_OBSERVER_STATE_H

#include "observer/record.h"

#include <stdint.h>

#define OBSERVER_STATE_MAGIC   0x7672736b6f636f72ull
#define OBSERVER_STATE_VERSION 2
#define OBSERVER_STATE_OLDEST  1 /* whose rings have no notes: enum record_kind */

/* A power of two; cpus beyond it share sequences. */
#define OBSERVER_SEQUENCES 1024

/* Set before the programs are loaded, read-only from then on (map ".rodata"). */
struct observer_configuration {
	uint64_t generation;	/* names this ring among all that ever were on this machine */
	uint64_t max_arguments; /* bytes of argv, and of env, to take */
	uint32_t page_size;
	uint8_t kernel_threads; /* observe them too */
	uint8_t capture_env;
	uint8_t other; /* marks its records with RECORD_OTHER: the one before it does not */
	uint8_t reserved;
};

/* One cpu's numbers and losses; a cache line each. */
struct observer_sequence {
	uint64_t number; /* the last one given */
	uint32_t lost[RECORD_LOST_KINDS];
	/* The counter of the scheduler's clock: clock.bpf.h */
	uint64_t clock_beginning;
	uint64_t clock_counter; /* as it was read last, at this time of the boot clock */
	uint64_t clock_read_ns;
	uint64_t reserved[2];
};

enum observer_flag {
	OBSERVER_LEGACY = 1u << 0, /* the object for kernels before 5.17 */
	OBSERVER_OTHER = 1u << 1,  /* its records have RECORD_OTHER */
};

/* Map ".bss", mapped by readers. */
struct observer_state {
	/* Written once, by who loads the observer, before the first program is attached. */
	uint64_t magic;
	uint32_t state_version;
	uint32_t record_version;
	uint64_t generation;
	uint64_t ring_size;
	uint32_t record_kinds;
	uint32_t sequence_count;
	uint32_t flags;	       /* enum observer_flag */
	char version[12];      /* of the program that loaded it, ended by NUL */
	uint64_t acknowledged; /* resident: records before this position are safe with a user */

	/* 1 while a reader sleeps and must be woken; the program that sees it takes it back. */
	uint32_t reader_waiting;
	uint32_t reserved_word;
	uint64_t read;	  /* resident: observations before `acknowledged`, losses not counted */
	uint64_t repeats; /* resident: those among them that were told twice (lib/repeats.h) */
	uint32_t reserved_line[10];

	struct observer_sequence sequences[OBSERVER_SEQUENCES];
};

_Static_assert(sizeof(struct observer_configuration) == 24, "the version must be updated");
_Static_assert(sizeof(struct observer_sequence) == 64, "the version must be updated");
_Static_assert(sizeof(struct observer_state) == 128 + 64 * OBSERVER_SEQUENCES,
	       "the version must be updated");

#endif
