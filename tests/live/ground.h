/* SPDX-License-Identifier: MIT */
/* Holds what was seen of a storm against the storm's own truth (bench/truth.h). */
#ifndef PROCOBSRV_TESTS_LIVE_GROUND_H
#define PROCOBSRV_TESTS_LIVE_GROUND_H

#include "seen.h"

#include <stdint.h>

struct ground;

struct ground *ground_create(void);
void ground_free(struct ground *ground);
void ground_feed(struct ground *ground, const struct seen *seen);

/* How much of the truth was not seen, by kind. */
struct ground_gap {
	uint64_t start;
	uint64_t exec;
	uint64_t exit;
};

/*
 * Every child of the storm was seen to start, exec and exit once, with its tag, parent, code and
 * signal, and nothing else was: NULL. Else what is wrong first, and how much in all; valid until
 * ground_free(). `launcher` is the parent of the storm. `gap` may be NULL.
 */
const char *ground_compare(struct ground *ground, const char *truth_path, uint32_t launcher,
			   struct ground_gap *gap);

#endif
