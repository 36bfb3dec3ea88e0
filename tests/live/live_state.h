/* SPDX-License-Identifier: MIT */
/* What a test shares with the program that runs it. */
#ifndef PROCOBSRV_TESTS_LIVE_STATE_H
#define PROCOBSRV_TESTS_LIVE_STATE_H

#include <limits.h>
#include <stdbool.h>

#define LIVE_CORE_PATTERN "/proc/sys/kernel/core_pattern"
#define LIVE_REMOVALS	  4

enum live_verdict {
	LIVE_NONE = 0,
	LIVE_FAILED = 1,
	LIVE_SKIPPED = 2,
};

/* In memory that survives the test's process. */
struct live_state {
	enum live_verdict verdict;
	char why[4096];
	char directory[PATH_MAX];
	char core_pattern[256]; /* what it was before a test changed it; "": not changed */
	int core_lock;
	bool unmount;  /* directory/cgroup2 */
	bool resident; /* the test installed the resident observer */
	unsigned removal_count;
	char removals[LIVE_REMOVALS][PATH_MAX];
};

extern struct live_state *live_state;

bool live_write_core_pattern(const char *pattern);

#endif
