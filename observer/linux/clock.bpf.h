/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How long the current task has run beyond what the scheduler has accounted. The scheduler does so
 * at ticks and switches, so that most short programs would be told to have used no time at all.
 *
 * It notes when a task got its cpu (sched_info.last_arrival), by a clock that cannot be read here.
 * A counter of that clock can: a software event "cpu-clock" on each cpu counts it from a beginning
 * that is constant, not known, and never before last_arrival - counter of any task that runs there.
 * The greatest that was seen is taken for it, so that the figure never is too large, and lacks the
 * shortest stay on the cpu that any process had at its end: some ten microseconds. Reading the
 * counter takes longer than all else at an exit; so the boot clock carries it on for a while.
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

#define MAX_ERRNO      4095
#define CLOCK_CARRY_NS 100000000ull /* the two clocks part by 50 us in that time at the most */

/* The scheduler's clock as the counter of this cpu has it; 0: not known. */
static __always_inline uint64_t scheduler_clock(const struct observation *observation)
{
	struct observer_sequence *sequence = observation->sequence;
	uint64_t elapsed = observation->time_ns - sequence->clock_read_ns;

	if (bpf_get_smp_processor_id() >= OBSERVER_SEQUENCES) /* shares its sequence */
		return 0;
	if (elapsed > CLOCK_CARRY_NS) {
		uint64_t counter = bpf_perf_event_read(&cpu_clock, BPF_F_CURRENT_CPU);
		sequence->clock_counter = counter < (uint64_t)-MAX_ERRNO ? counter : 0;
		sequence->clock_read_ns = observation->time_ns;
		elapsed = 0;
	}
	return sequence->clock_counter ? sequence->clock_counter + elapsed : 0;
}

static __always_inline uint64_t unaccounted_time(const struct observation *observation,
						 const struct task_struct *task)
{
	struct observer_sequence *sequence = observation->sequence;

	if (!bpf_core_field_exists(task->sched_info)) /* CONFIG_SCHED_INFO */
		return 0;
	uint64_t arrival = task->sched_info.last_arrival;
	/* What has been accounted of this stay on the cpu. */
	uint64_t accounted = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	uint64_t counter = scheduler_clock(observation);

	if (!arrival || !counter)
		return 0;
	uint64_t beginning = arrival - counter;
	if (beginning > sequence->clock_beginning)
		sequence->clock_beginning = beginning;
	uint64_t stay = sequence->clock_beginning - beginning;
	return stay > accounted ? stay - accounted : 0;
}

#endif
