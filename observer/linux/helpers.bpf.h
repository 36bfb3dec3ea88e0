/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Kernel threads are not processes; usermode helpers (core_pattern, modprobe) are. Until 5.19
 * ("fork: Explicitly set PF_KTHREAD") a helper is a kernel thread until its exec, which may fail:
 * the few that are on their way are noted, so that their exit is told as their start was.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_HELPERS_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_HELPERS_BPF_H

#include "ring.bpf.h"
#include "kernel_types.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, uint64_t); /* pid; with a kernel thread's own start there is no reuse to fear */
	__type(value, uint64_t); /* start_boottime */
} kernel_helpers SEC(".maps");

/* Whether a new task is a kernel thread for good: those are made by kthreadd. Notes helpers. */
static __always_inline bool starts_kernel_thread(const struct task_struct *creator,
						 const struct task_struct *child)
{
	uint64_t pid = child->tgid;
	uint64_t start = child->start_boottime;

	if (!(child->flags & PF_KTHREAD))
		return false;
	if (creator->tgid == KTHREADD_PID)
		return true;
	bpf_map_update_elem(&kernel_helpers, &pid, &start, BPF_ANY);
	return false;
}

/* The same of a task that runs; a helper on its way is none. */
static __always_inline bool is_kernel_thread(const struct task_struct *task)
{
	uint64_t pid = task->tgid;

	if (!(task->flags & PF_KTHREAD))
		return false;
	uint64_t *start = bpf_map_lookup_elem(&kernel_helpers, &pid);
	return !start || *start != task->start_boottime;
}

/* At its exec or its exit a helper need not be known any more. */
static __always_inline void forget_kernel_helper(const struct task_struct *task)
{
	uint64_t pid = task->tgid;

	if (task->real_parent->tgid == KTHREADD_PID)
		bpf_map_delete_elem(&kernel_helpers, &pid);
}

#endif
