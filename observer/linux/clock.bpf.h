/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * How long the current task has run, beyond what the scheduler has accounted, too. The scheduler
 * does so at ticks and switches, so that most short programs would be told to have used no time at
 * all.
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
#define CLOCK_READ_NS  100000u	    /* reading takes far less, also where a cpu is emulated */

/*
 * The scheduler's clock as the counter of this cpu has it; 0: not known. A cpu that was held up
 * while it was read, by an interrupt or by a host that runs others, would have it wrong for as long
 * as it is carried on.
 */
static __always_inline uint64_t scheduler_clock(const struct observation *observation)
{
	struct observer_sequence *sequence = observation->sequence;

	if (bpf_get_smp_processor_id() >= OBSERVER_SEQUENCES) /* shares its sequence */
		return 0;
	if (observation->time_ns - sequence->clock_read_ns > CLOCK_CARRY_NS) {
		uint64_t before = bpf_ktime_get_boot_ns();
		uint64_t counter = bpf_perf_event_read(&cpu_clock, BPF_F_CURRENT_CPU);
		bool held_up = bpf_ktime_get_boot_ns() - before > CLOCK_READ_NS;

		sequence->clock_counter = counter < (uint64_t)-MAX_ERRNO && !held_up ? counter : 0;
		sequence->clock_read_ns = held_up ? 0 : before; /* 0: the next one tries again */
	}
	if (!sequence->clock_counter)
		return 0;
	return sequence->clock_counter + (observation->time_ns - sequence->clock_read_ns);
}

/*
 * How long the current task has run in all. A tick, or another cpu, may account its stay meanwhile:
 * what it has accounted is read once.
 */
static __always_inline uint64_t run_time(const struct observation *observation,
					 const struct task_struct *task)
{
	struct observer_sequence *sequence = observation->sequence;
	uint64_t sum = *(const volatile uint64_t *)&task->se.sum_exec_runtime;

	if (!bpf_core_field_exists(task->sched_info)) /* CONFIG_SCHED_INFO */
		return sum;
	uint64_t arrival = task->sched_info.last_arrival;
	/* What has been accounted of this stay on the cpu. */
	uint64_t accounted = sum - task->se.prev_sum_exec_runtime;
	uint64_t counter = scheduler_clock(observation);

	if (!arrival || !counter)
		return sum;
	uint64_t beginning = arrival - counter;
	if (beginning > sequence->clock_beginning)
		sequence->clock_beginning = beginning;
	uint64_t stay = sequence->clock_beginning - beginning;
	return stay > accounted ? sum + (stay - accounted) : sum;
}

#endif
