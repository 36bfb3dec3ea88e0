/* SPDX-License-Identifier: MIT */
/* Storms one after the other, each with its truth, until a test has seen enough. */
#ifndef PROCOBSRV_TESTS_LIVE_STORMS_H
#define PROCOBSRV_TESTS_LIVE_STORMS_H

#include "joined.h"
#include "observe.h"

#define STORMS_MAX 40

struct storms {
	unsigned processes;    /* of each */
	unsigned rate;	       /* processes per second; 0: as fast as it goes */
	const char *mode;      /* NULL: vfork-exec */
	const char *arguments; /* bytes of padding; NULL: none */
	struct workload workload;
	bool running;
	size_t count;
	const char *truths[STORMS_MAX];
};

void storms_begin(struct storms *storms);
void storms_wait(struct storms *storms);
/* Whether one blows; waits for its end if it has ended. */
bool storms_blow(struct storms *storms);
/* Sees to it that one blows. */
void storms_keep_up(struct storms *storms);
/* Every process of every storm was told once with all its names, and nothing was lost. */
void storms_compare(const struct storms *storms, struct joined *joined);
/* The same of the lines in a file, which several readers may have written. */
void storms_compare_file(const struct storms *storms, const char *path);

#endif
