/* SPDX-License-Identifier: MIT */
/*
 * Finds what is missing from the numbers and loss counters that records bear. Each cpu numbers its
 * observations before it asks for room, so a hole in its numbers is a gap, and the growth of its
 * loss counters tells of which kinds.
 */
#ifndef PROCOBSRV_LIB_GAPS_H
#define PROCOBSRV_LIB_GAPS_H

#include "source.h"

#include <stdbool.h>

struct gaps_sequence {
	uint64_t number;		  /* the last one accounted for */
	uint32_t lost[RECORD_LOST_KINDS]; /* the counters accounted for */
	uint64_t time_ns;		  /* of the last record */
};

struct gaps {
	struct gaps_sequence *sequences; /* by cpu */
	size_t count;
	uint64_t skipped[RECORD_LOST_KINDS];
	bool adopt; /* nothing is known of what came before: the first number of a cpu is taken */
	uint64_t told;	  /* holes in the numbers to come that have been told already */
	uint64_t read;	  /* observations accounted for that were not lost, of all cpus */
	uint64_t repeats; /* of them: what was told before by another observer of the same ring */
};

void gaps_free(struct gaps *gaps);

/* Takes the kernel's present numbers as accounted for. 0 or PROCOBSRV_ERROR_MEMORY. */
int gaps_baseline(struct gaps *gaps, const struct source_statistics *statistics);

/*
 * Feeds the next record of the stream (no chunk). Fills *gap and returns true if something is
 * missing before it. Records of a cpu beyond SOURCE_SEQUENCES_MAX are taken as they come.
 */
bool gaps_feed(struct gaps *gaps, const struct record_header *header, struct record_gap *gap);

/*
 * Compares with the kernel's counters, read before the stream was drained to its end: losses after
 * which no record came. True, and *gap filled, if there are any.
 */
bool gaps_trailing(struct gaps *gaps, const struct source_statistics *statistics,
		   struct record_gap *gap);

uint64_t gaps_total(const struct record_gap *gap);

/* Losses of the kernel that have been accounted for, of all cpus; UINT64_MAX: not from the
 * beginning. */
uint64_t gaps_lost(const struct gaps *gaps);

/* How many events have been accounted for, losses included: observations without repeats. */
uint64_t gaps_accounted(const struct gaps *gaps);

/* What user mode itself gave up (the queue, the disk) is told at once; the numbers will show it as
 * a hole once more, which then is none. */
void gaps_told(struct gaps *gaps, const struct record_gap *gap);

/* Forgets everything: the next records are taken as they come. `read` were read before, `repeats`
 * of them such. */
void gaps_adopt(struct gaps *gaps, uint64_t read, uint64_t repeats);

/* Computes `read` from the sequences, which were set from elsewhere. */
void gaps_count_read(struct gaps *gaps);

#endif
