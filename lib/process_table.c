/* SPDX-License-Identifier: MIT */
#include "process_table.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 256

static size_t slot_of(const struct process_table *table, uint32_t pid)
{
	/* Pids come in runs; a multiplicative hash keeps the runs apart. */
	return (size_t)(pid * 0x9e3779b1u) & (table->capacity - 1);
}

int process_table_init(struct process_table *table)
{
	table->entries = calloc(CAPACITY_LEAST, sizeof *table->entries);
	if (!table->entries)
		return PROCOBSRV_ERROR_MEMORY;
	table->capacity = CAPACITY_LEAST;
	table->count = 0;
	return 0;
}

void process_table_free(struct process_table *table)
{
	for (size_t i = 0; i < table->capacity; i++)
		procobsrv_process_unref(table->entries[i].process);
	free(table->entries);
	*table = (struct process_table){0};
}

struct process_entry *process_table_find(const struct process_table *table, uint32_t pid)
{
	if (!pid || !table->capacity)
		return NULL;

	for (size_t slot = slot_of(table, pid);; slot = (slot + 1) & (table->capacity - 1)) {
		struct process_entry *entry = &table->entries[slot];
		if (entry->pid == pid)
			return entry;
		if (!entry->pid)
			return NULL;
	}
}

struct process_entry *process_table_find_identity(const struct process_table *table, uint32_t pid,
						  uint64_t start_ns)
{
	struct process_entry *entry = process_table_find(table, pid);

	if (entry && start_ns && entry->process->start_boot_ns != start_ns)
		return NULL;
	return entry;
}

static bool resize(struct process_table *table, size_t capacity)
{
	struct process_table resized = {
	    .entries = calloc(capacity, sizeof *resized.entries),
	    .capacity = capacity,
	    .count = table->count,
	};
	if (!resized.entries)
		return false;

	for (size_t i = 0; i < table->capacity; i++) {
		if (!table->entries[i].pid)
			continue;
		size_t slot = slot_of(&resized, table->entries[i].pid);
		while (resized.entries[slot].pid)
			slot = (slot + 1) & (capacity - 1);
		resized.entries[slot] = table->entries[i];
	}
	free(table->entries);
	*table = resized;
	return true;
}

struct process_entry *process_table_put(struct process_table *table,
					const struct procobsrv_process *process)
{
	struct process_entry *entry = process_table_find(table, process->pid);

	if (entry) {
		if (entry->process->start_boot_ns != process->start_boot_ns)
			entry->in_tree = false;
		procobsrv_process_unref(entry->process);
		entry->process = process;
		return entry;
	}

	if ((table->count + 1) * 4 > table->capacity * 3 && !resize(table, table->capacity * 2)) {
		procobsrv_process_unref(process);
		return NULL;
	}
	size_t slot = slot_of(table, process->pid);
	while (table->entries[slot].pid)
		slot = (slot + 1) & (table->capacity - 1);
	entry = &table->entries[slot];
	*entry = (struct process_entry){.pid = process->pid, .process = process};
	table->count++;
	return entry;
}

/* Closes the hole so that probing needs no tombstones. */
static void close_hole(struct process_table *table, size_t hole)
{
	size_t mask = table->capacity - 1;

	for (size_t slot = (hole + 1) & mask; table->entries[slot].pid; slot = (slot + 1) & mask) {
		size_t home = slot_of(table, table->entries[slot].pid);
		/* May this entry move to the hole, i.e. is its home not between the two? */
		if (((slot - home) & mask) < ((slot - hole) & mask))
			continue;
		table->entries[hole] = table->entries[slot];
		hole = slot;
	}
	table->entries[hole] = (struct process_entry){0};
}

void process_table_remove(struct process_table *table, struct process_entry *entry)
{
	procobsrv_process_unref(entry->process);
	close_hole(table, (size_t)(entry - table->entries));
	table->count--;
	if (table->capacity > CAPACITY_LEAST && table->count * 8 < table->capacity)
		resize(table, table->capacity / 2); /* out of memory: it stays as large as it is */
}
