/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What is told when a process ends, and that it is told once. */
#ifndef PROCOBSRV_OBSERVER_LINUX_EXIT_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_EXIT_BPF_H

#include "kernel_types.h"
#include "clock.bpf.h"
#include "quirks.bpf.h"
#include "observer/record.h"

/* Processes whose exit was told, where the kernel does not say which thread is the last. */
struct told_key {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024); /* the loader sets it by the number of cpus */
	__type(key, struct told_key);
	__type(value, uint8_t);
} told_exits SEC(".maps");

#define EEXIST 17

static __always_inline bool first_to_tell(const struct task_struct *leader)
{
	struct told_key key = {.start_ns = leader->start_boottime, .pid = leader->tgid};
	uint8_t value = 1;

	/* Where it cannot be noted, twice is better than never. Before 6.4 ("bpf: return long from
	 * bpf_map_ops funcs") only the lower half is an answer. */
	return (int32_t)bpf_map_update_elem(&told_exits, &key, &value, BPF_NOEXIST) != -EEXIST;
}

/*
 * Whether the process has had no other thread, ever: each that is gone has left its mark in the
 * sequence lock of their sums (__exit_signal() in kernel/exit.c), though its run time may be 0.
 */
static __always_inline bool ever_alone(const struct signal_struct *signal)
{
	uint32_t sequence = 1;

	if (signal->nr_threads != 1)
		return false;
	barrier();
	/* Its number comes first. That of a child that was waited for is there too: then the answer
	 * is no, and costs a little more. */
	bpf_probe_read_kernel(&sequence, sizeof(sequence), &signal->stats_lock);
	return sequence == 0;
}

/* Whether this thread's exit is the process's. `told` is what the kernel says, if it says. */
static __always_inline bool process_ends(const struct task_struct *task,
					 const struct task_struct *leader, bool told)
{
	const struct signal_struct *signal = leader->signal;

	if (kernel_tells_group_dead())
		return told;
	if (signal->live.counter != 0)
		return false;
	/* Nobody else can think the same. */
	if (ever_alone(signal))
		return true;
	/*
	 * A leader that has still to come by, which it does without its memory, tells it: before
	 * 5.18 ("signal: Guarantee that SIGNAL_GROUP_EXIT is set on process exit") its own status
	 * may be the process's, and it has set that by then only.
	 */
	if (task->pid != task->tgid && leader->mm)
		return false;
	return first_to_tell(leader);
}

struct times {
	uint64_t cpu_ns;
	uint64_t user_ns;
	uint64_t system_ns;
};

/*
 * Sums the threads that are dead but not yet taken off the list, leader and current apart, and
 * what the process keeps of those that were. A thread goes from the one to the other while we look
 * (__exit_signal() in kernel/exit.c), and would be missed or counted twice: under a sequence lock,
 * so that the sum is taken anew until none has gone meanwhile.
 */
struct thread_walk {
	uint64_t signal;
	uint64_t head;
	uint64_t node;
	uint64_t leader;
	uint64_t current;
	struct times times;
	uint32_t
	    sequence; /* of the lock, when this round began; odd: a thread was being taken off */
	uint32_t count;
	uint32_t whole; /* 1: the sum is that of one moment */
};

static __always_inline uint64_t read_number(uint64_t address)
{
	uint64_t value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/* A seqlock_t has its number first, whatever else the kernel was built to keep in it. */
static __always_inline uint32_t stats_sequence(const struct thread_walk *walk)
{
	uint32_t sequence = 1;
	uint64_t address = walk->signal + bpf_core_field_offset(struct signal_struct, stats_lock);

	bpf_probe_read_kernel(&sequence, sizeof(sequence), (void *)address);
	return sequence;
}

static __always_inline uint64_t read_signal(const struct thread_walk *walk, uint32_t offset)
{
	return read_number(walk->signal + offset);
}

static __always_inline void begin_walk(struct thread_walk *walk)
{
	walk->sequence = stats_sequence(walk);
	walk->times.cpu_ns =
	    read_signal(walk, bpf_core_field_offset(struct signal_struct, sum_sched_runtime));
	walk->times.user_ns = read_signal(walk, bpf_core_field_offset(struct signal_struct, utime));
	walk->times.system_ns =
	    read_signal(walk, bpf_core_field_offset(struct signal_struct, stime));
	walk->node = read_number(walk->head);
	walk->count = 0;
}

static __always_inline long thread_step(struct thread_walk *walk)
{
	if (!walk->node)
		return 1;
	if (walk->node == walk->head) {
		walk->whole = !(walk->sequence & 1) && stats_sequence(walk) == walk->sequence;
		if (walk->whole)
			return 1;
		begin_walk(walk);
		return 0;
	}
	uint64_t task = walk->node - bpf_core_field_offset(struct task_struct, thread_node);

	walk->node = read_number(walk->node);
	walk->count++;
	if (task == walk->leader || task == walk->current)
		return 0;
	walk->times.cpu_ns +=
	    read_number(task + bpf_core_field_offset(struct task_struct, se) +
			bpf_core_field_offset(struct sched_entity, sum_exec_runtime));
	walk->times.user_ns += read_number(task + bpf_core_field_offset(struct task_struct, utime));
	walk->times.system_ns +=
	    read_number(task + bpf_core_field_offset(struct task_struct, stime));
	return 0;
}

#ifndef PROCOBSRV_LEGACY
static long thread_step_callback(uint32_t index, struct thread_walk *walk)
{
	return thread_step(walk);
}
#endif

/*
 * What the threads have used that are neither leader nor current; returns how many were not
 * reached, at least one where the sum is not that of one moment.
 */
static __always_inline uint32_t sum_other_threads(struct times *times,
						  const struct task_struct *task)
{
	uint64_t current = bpf_get_current_task();
	uint64_t signal = read_number(current + bpf_core_field_offset(struct task_struct, signal));
	struct thread_walk walk = {
	    .signal = signal,
	    .head = signal + bpf_core_field_offset(struct signal_struct, thread_head),
	    .leader =
		read_number(current + bpf_core_field_offset(struct task_struct, group_leader)),
	    .current = current,
	};

	begin_walk(&walk);
#ifdef PROCOBSRV_LEGACY
	for (int i = 0; i <= MAX_THREADS_READ; i++) /* and to look whether any has gone */
		if (thread_step(&walk))
			break;
#else
	bpf_loop(MAX_THREADS_READ + 1, thread_step_callback, &walk, 0);
#endif
	*times = walk.times;
	if (walk.whole)
		return 0;
	uint32_t listed = task->signal->nr_threads;
	return listed > walk.count ? listed - walk.count : 1;
}

static __always_inline void exit_fill(struct record_exit *exit,
				      const struct observation *observation,
				      const struct task_struct *task,
				      const struct task_struct *leader)
{
	const struct signal_struct *signal = leader->signal;
	uint32_t status =
	    signal->flags & SIGNAL_GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
	bool leader_ends = task->pid == task->tgid;
	uint32_t known = leader_ends ? 1 : 2;
	uint32_t listed = signal->nr_threads;
	struct times times;

	barrier(); /* none but the known ones listed: what the others used has been added */
	exit->threads_unread = 0;
	if (listed > known)
		exit->threads_unread = sum_other_threads(&times, task);
	else
		times = (struct times){
		    .cpu_ns = signal->sum_sched_runtime,
		    .user_ns = signal->utime,
		    .system_ns = signal->stime,
		};
	times.cpu_ns += run_time(observation, task);
	times.user_ns += task->utime;
	times.system_ns += task->stime;
	if (!leader_ends) {
		times.cpu_ns += leader->se.sum_exec_runtime;
		times.user_ns += leader->utime;
		times.system_ns += leader->stime;
	}
	exit->signal = status & 0x7f;
	exit->code = exit->signal ? 0 : (status >> 8) & 0xff;
	exit->flags = status & 0x80 ? RECORD_EXIT_CORE_DUMPED : 0;
	exit->cpu_ns = times.cpu_ns;
	exit->user_ns = times.user_ns;
	exit->system_ns = times.system_ns;
	exit->max_rss_bytes = signal->maxrss * configuration.page_size;
}

#endif
