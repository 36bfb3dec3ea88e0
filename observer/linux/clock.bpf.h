/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How long the current task has run beyond what the scheduler has accounted. The scheduler does so
 * at ticks and switches, so that most short programs would be told to have used no time at all.
 *
 * It notes when a task got its cpu (sched_info.last_arrival), by a clock that cannot be read here.
 * A counter of that clock can: a software event "cpu-clock" on each cpu counts it from a beginning
 * that is constant, not known, and never before last_arrival - counter of any task that runs there.
 * The greatest that was seen is taken for it, so that the figure never is too large, and lacks the
 * shortest stay on the cpu that any process had at its end: some ten microseconds.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_CLOCK_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_CLOCK_BPF_H

#include "ring.bpf.h"
#include "kernel_types.h"

/* Filled by the loader, and kept when it ends; empty where it may not open such events. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(uint32_t));
	__uint(value_size, sizeof(uint32_t));
	__uint(max_entries, 0); /* libbpf: as many as there are cpus */
	__uint(map_flags, BPF_F_PRESERVE_ELEMS);
} cpu_clock SEC(".maps");

#define MAX_ERRNO 4095

static __always_inline uint64_t unaccounted_time(struct observer_sequence *sequence,
						 const struct task_struct *task)
{
	if (!bpf_core_field_exists(task->sched_info)) /* CONFIG_SCHED_INFO */
		return 0;
	uint64_t arrival = task->sched_info.last_arrival;
	/* What has been accounted of this stay on the cpu. */
	uint64_t accounted = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	uint64_t counter = bpf_perf_event_read(&cpu_clock, BPF_F_CURRENT_CPU);

	if (!arrival || counter >= (uint64_t)-MAX_ERRNO)
		return 0;
	uint64_t beginning = arrival - counter;
	if (beginning > sequence->clock_beginning)
		sequence->clock_beginning = beginning;
	uint64_t stay = sequence->clock_beginning - beginning;
	return stay > accounted ? stay - accounted : 0;
}

#endif
