/* SPDX-License-Identifier: MIT */
/*
 * The control groups of which a reader has been told the path. Of fixed size: it forgets, so that
 * a path may be told again, which is no harm. It never remembers one that the reader, whose table
 * is bounded too (lib/cgroup_table.h), may have forgotten.
 */
#ifndef PROCOBSRV_PROCOBSRVD_TOLD_GROUPS_H
#define PROCOBSRV_PROCOBSRVD_TOLD_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#define TOLD_GROUPS_SLOTS 512

/* All zero: none. */
struct told_groups {
	uint64_t ids[TOLD_GROUPS_SLOTS]; /* 0: none */
	uint32_t count;			 /* told since it was emptied */
};

bool told_groups_has(const struct told_groups *groups, uint64_t id);
void told_groups_add(struct told_groups *groups, uint64_t id);

#endif
