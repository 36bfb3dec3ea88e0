/* SPDX-License-Identifier: MIT */
/*
 * A pointer for each pid, in pages that are mapped when they are needed. Calls no malloc. Linux has
 * no larger pids (PID_MAX_LIMIT); Windows counts in fours and takes those that are free again, so
 * that a larger one takes a million processes and threads at a time.
 */
#ifndef PROCOBSRV_LIB_PID_TABLE_H
#define PROCOBSRV_LIB_PID_TABLE_H

#include <stddef.h>
#include <stdint.h>

#define PID_TABLE_PAGE	512u
#define PID_TABLE_PAGES 8192u /* x 512 = 4,194,304 */

struct pid_table {
	void **pages[PID_TABLE_PAGES];
};

/* NULL: nothing is there. */
void *pid_table_get(const struct pid_table *table, uint32_t pid);
/* Where to put the pointer of a pid; NULL: out of memory, or no pid can be that large. */
void **pid_table_slot(struct pid_table *table, uint32_t pid);
/* Calls visit for each pid that has a pointer, in order of pid. visit may clear the slot. */
void pid_table_visit(struct pid_table *table, void (*visit)(void **slot, void *param), void *param);
/* Gives the pages back; what the pointers point to is the caller's. */
void pid_table_free(struct pid_table *table);

#endif
