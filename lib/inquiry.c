/* SPDX-License-Identifier: MIT */
/* The public calls that only look. */
#include "monitor.h"

#include <stdlib.h>
#include <string.h>

/* The lock. */
static void source_statistics_of(struct procobsrv *monitor, struct source_statistics *statistics)
{
	if (!monitor->source || monitor->operations->statistics(monitor->source, statistics))
		*statistics = monitor->last_statistics;
}

static uint64_t sum_observed(const struct source_statistics *statistics)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < statistics->sequence_count; i++)
		sum += statistics->sequences[i].number;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		sum += statistics->skipped[kind];
	return sum;
}

/* The lock: a start that fails takes the queue away. */
static void fill(struct procobsrv *monitor, struct procobsrv_statistics *out)
{
	const struct dispatch_counters *counters = &monitor->dispatch.counters;
	struct source_statistics source;
	struct queue_statistics queue;

	if (!monitor->queue)
		return; /* never started: all zero */
	/* What has been dealt with is read before what was observed, so that pending is not
	 * negative. */
	uint64_t seq = atomic_load(&counters->seq) - monitor->baseline_number;
	out->delivered = atomic_load(&counters->delivered);
	out->filtered = atomic_load(&counters->filtered);
	out->lost = atomic_load(&counters->lost);
	out->synthetic = atomic_load(&counters->synthetic);
	out->gaps = atomic_load(&counters->gaps);
	out->resyncs = atomic_load(&counters->resyncs);
	out->repeats = atomic_load(&counters->repeats);
	out->processes = atomic_load(&counters->processes);
	source_statistics_of(monitor, &source);
	queue_statistics(monitor->queue, &queue);
	uint64_t observed = sum_observed(&source) - monitor->baseline_number -
			    monitor->baseline_repeats - out->repeats;
	uint64_t dealt_with = out->delivered + out->filtered + out->lost;
	/* Losses that user mode made up for itself (a dead record) are in seq, not in the numbers.
	 */
	out->observed = observed > seq ? observed : seq;
	out->pending = out->observed > dealt_with ? out->observed - dealt_with : 0;
	out->ring_size = source.ring_size;
	out->ring_used = source.produced - source.released;
	out->ring_peak = source.ring_peak;
	out->queue_used = queue.memory_used;
	out->queue_peak = queue.memory_peak;
	out->spill_used = queue.spill_used;
	out->spill_total = queue.spill_total;
	out->wakeups = source.wakeups;
	out->resumed_after = monitor->baseline_number;
}

int procobsrv_statistics(struct procobsrv *monitor, struct procobsrv_statistics *statistics,
			 size_t size)
{
	struct procobsrv_statistics known = {0};
	int error = monitor_need(monitor, "procobsrv_statistics", "the monitor");

	if (!error)
		error = monitor_need(statistics, "procobsrv_statistics", "their place");
	if (error)
		return error;
	if (size < sizeof(uint64_t))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "procobsrv_statistics: size is %zu: pass sizeof(struct "
				 "procobsrv_statistics)",
				 size);
	pthread_mutex_lock(&monitor->lock);
	fill(monitor, &known);
	pthread_mutex_unlock(&monitor->lock);
	if (size > sizeof known)
		memset((char *)statistics + sizeof known, 0, size - sizeof known);
	memcpy(statistics, &known, size < sizeof known ? size : sizeof known);
	return 0;
}

int procobsrv_find(struct procobsrv *monitor, uint32_t pid,
		   const struct procobsrv_process **process)
{
	const struct procobsrv_process *found = NULL;
	int error = monitor_need(monitor, "procobsrv_find", "the monitor");

	if (!error)
		error = monitor_need(process, "procobsrv_find", "the place for the process");
	if (error)
		return error;
	if (monitor->queue) {
		pthread_mutex_lock(&monitor->dispatch.table_lock);
		struct process_entry *entry = process_table_find(&monitor->dispatch.table, pid);
		if (entry)
			found = procobsrv_process_ref(entry->process);
		pthread_mutex_unlock(&monitor->dispatch.table_lock);
	}
	if (!found)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "no live process %u is known", pid);
	*process = found;
	return 0;
}

static int compare_starts(const void *left, const void *right)
{
	const struct procobsrv_process *a = *(const struct procobsrv_process *const *)left;
	const struct procobsrv_process *b = *(const struct procobsrv_process *const *)right;

	if (a->start_boot_ns != b->start_boot_ns)
		return a->start_boot_ns < b->start_boot_ns ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* References to all live processes; the caller gives them back. NULL: no memory. */
static const struct procobsrv_process **copy_table(struct procobsrv *monitor, size_t *count)
{
	struct process_table *table = &monitor->dispatch.table;

	*count = 0;
	pthread_mutex_lock(&monitor->dispatch.table_lock);
	const struct procobsrv_process **list = calloc(table->count + 1, sizeof *list);
	for (size_t i = 0; list && i < table->capacity; i++)
		if (table->entries[i].pid)
			list[(*count)++] = procobsrv_process_ref(table->entries[i].process);
	pthread_mutex_unlock(&monitor->dispatch.table_lock);
	return list;
}

int procobsrv_visit(struct procobsrv *monitor,
		    int (*visit)(const struct procobsrv_process *process, void *param), void *param)
{
	size_t count;
	int result = monitor_need(monitor, "procobsrv_visit", "the monitor");

	if (!result)
		result = monitor_need((const void *)(uintptr_t)visit, "procobsrv_visit",
				      "what is to be called");
	if (result || !monitor->queue)
		return result;
	const struct procobsrv_process **list = copy_table(monitor, &count);
	if (!list)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a list of processes");
	qsort(list, count, sizeof *list, compare_starts);
	for (size_t i = 0; i < count; i++) {
		if (!result)
			result = visit(list[i], param);
		procobsrv_process_unref(list[i]);
	}
	free(list);
	return result;
}

const char *procobsrv_backend(const struct procobsrv *monitor)
{
	if (!monitor)
		return NULL;
	if (monitor->operations)
		return monitor->operations->name;
	return monitor->options.backend ? options_backend(monitor->options.backend)->name : "auto";
}

const char *procobsrv_backend_limits(const struct procobsrv *monitor)
{
	return monitor && monitor->limits[0] ? monitor->limits : NULL;
}
