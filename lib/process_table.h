/* SPDX-License-Identifier: MIT */
/*
 * The live processes, by pid. Not thread-safe by itself: the monitor guards it.
 * A pid alone is never a key: an entry holds the start time, and look-ups compare it.
 */
#ifndef PROCOBSRV_LIB_PROCESS_TABLE_H
#define PROCOBSRV_LIB_PROCESS_TABLE_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_entry {
	uint32_t pid; /* 0: the slot is free */
	bool in_tree; /* belongs to the tree that is observed alone (options.root_pid) */
	bool
	    exiting; /* a resync saw it on its way out: the next one may conclude that it is gone */
	const struct procobsrv_process *process; /* the table's reference */
};

struct process_table {
	struct process_entry *entries; /* capacity of them, a power of two; linear probing */
	size_t capacity;
	size_t count;
};

int process_table_init(struct process_table *table); /* 0 or PROCOBSRV_ERROR_MEMORY */
void process_table_free(struct process_table *table);

/* NULL: no such pid. Valid until the next put or remove. */
struct process_entry *process_table_find(const struct process_table *table, uint32_t pid);
/* The same, and the process must have started at start_ns (0: any). */
struct process_entry *process_table_find_identity(const struct process_table *table, uint32_t pid,
						  uint64_t start_ns);

/*
 * Puts a process in the place of whatever holds its pid; takes over the caller's reference, also on
 * failure. An entry that is replaced by the same process keeps in_tree. NULL: out of memory.
 */
struct process_entry *process_table_put(struct process_table *table,
					const struct procobsrv_process *process);

/* Removes an entry; gives back its reference. The table shrinks when it has become sparse. */
void process_table_remove(struct process_table *table, struct process_entry *entry);

#endif
