/* SPDX-License-Identifier: MIT */
/*
 * Control groups by id. The kernel gives no id twice in the unified hierarchy, and a group there
 * keeps its name, so that what is known stays true, also when the group is gone: processes that
 * were in it are told later.
 *
 * Bounded: of those that nobody has asked for while many others came, the table forgets. One thread
 * at a time; the groups themselves never change and are counted.
 */
#ifndef PROCOBSRV_LIB_CGROUP_TABLE_H
#define PROCOBSRV_LIB_CGROUP_TABLE_H

#include "buffer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
	atomic_uint references;
	uint64_t id;
	const char *path; /* NULL: not known; then the rest is neither */
	const char *container_id;
	const char *runtime; /* static text */
	const char *unit;
};

struct cgroup *cgroup_ref(struct cgroup *group); /* NULL is allowed */
void cgroup_unref(struct cgroup *group);	 /* NULL is allowed */

/* Appends a RECORD_CGROUP that tells the path of a group, padded with zero to 8 bytes. */
void cgroup_append_record(uint64_t id, const char *path, struct buffer *buffer);

/* Half of the groups that a table holds at most. */
#define CGROUP_TABLE_HALF 8192

struct cgroup_half {
	struct cgroup **groups; /* 2 * CGROUP_TABLE_HALF slots, linear probing; NULL: none yet */
	size_t count;
};

struct cgroup_table {
	struct cgroup *last; /* that was asked for: borrowed from a half */
	struct cgroup_half recent;
	struct cgroup_half older; /* thrown away when the recent one is full */
	/* Appends the path of a group that the table does not know. NULL: no way to ask. */
	bool (*read_path)(uint64_t id, struct buffer *path);
};

void cgroup_table_free(struct cgroup_table *table);

/* Notes a group's path, `length` bytes; what is known already stays. False: out of memory. */
bool cgroup_table_put(struct cgroup_table *table, uint64_t id, const char *path, size_t length);

/*
 * The group of this id; if the table does not know it, asks for its path, once. Borrowed until the
 * table is used again. NULL: out of memory.
 */
struct cgroup *cgroup_table_find(struct cgroup_table *table, uint64_t id);

/* Calls visit for each group whose path is known, in no order. */
void cgroup_table_visit(const struct cgroup_table *table,
			void (*visit)(const struct cgroup *group, void *param), void *param);

#endif
