/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What differs from kernel to kernel, one entry each, with the kernel that brought it. */
#ifndef PROCOBSRV_OBSERVER_LINUX_QUIRKS_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_QUIRKS_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/*
 * Loops. bpf_loop() came with 5.17 ("bpf: Add bpf_loop helper"). Before it the
 * verifier walks every round, and gives up at a million instructions: fewer rounds.
 *
 * Atomics that return what was there came with 5.12 ("bpf: Add instructions for atomic_[cmp]xchg");
 * a verifier before it refuses even the sight of one. Before it a plain increment does: until 6.18
 * programs of tracepoints run with preemption off, so that a cpu's counters have one writer at a
 * time. Later kernels may preempt them, and have the atomics.
 */
#ifdef PROCOBSRV_LEGACY
#define MAX_PATH_COMPONENTS 80 /* mounts that are crossed count too: 64 and some of them */
#define MAX_LARGE_CHUNKS    64
#define MAX_THREADS_READ    64
#else
#define MAX_PATH_COMPONENTS 2200 /* more than fit into the bytes that are taken of a path */
/* 6 MiB: the most that exec takes since 4.13 ("exec: Limit arg stack to at most 75% of _STK_LIM")
 */
#define MAX_LARGE_CHUNKS    192
#define MAX_THREADS_READ    4096
#endif

static __always_inline uint64_t next_number(uint64_t *counter)
{
#ifdef PROCOBSRV_LEGACY
	return ++*counter;
#else
	return __sync_fetch_and_add(counter, 1) + 1;
#endif
}

/* Puts `value` there and returns what was. */
static __always_inline uint32_t exchange(uint32_t *place, uint32_t value)
{
#ifdef PROCOBSRV_LEGACY
	uint32_t before = *(volatile uint32_t *)place;
	*(volatile uint32_t *)place = value;
	return before;
#else
	return __sync_lock_test_and_set(place, value);
#endif
}

/*
 * Since 6.3 ("bpf: Enable annotating trusted nested pointers") the verifier searches the names of
 * all types of the kernel, several times, for each pointer that is loaded through a trusted one,
 * which is what a tracepoint gives us: 40 % of the time that the observer took to load. The same
 * pointer after bpf_rdonly_cast(), since 6.2 ("bpf: Add kfunc bpf_rdonly_cast"), is read as well
 * and not trusted; the verifier replaces the call by a move.
 */
#ifdef PROCOBSRV_LEGACY
#define UNTRUSTED(type, pointer) (pointer)
#else
enum special_kfunc_type___cast {
	KF_bpf_rdonly_cast___cast = 1,
};

extern void *bpf_rdonly_cast(const void *object, uint32_t type) __ksym __weak;

#define UNTRUSTED(type, pointer)                                                                   \
	(bpf_core_enum_value_exists(enum special_kfunc_type___cast, KF_bpf_rdonly_cast___cast)     \
	     ? (type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(type))                     \
	     : (pointer))
#endif

/*
 * A task is listed before sched_process_fork tells of it, and is TASK_NEW until it is woken up
 * after that. Its state was renamed by 5.14 ("sched: Change task_struct::state").
 */
struct task_struct___before_5_14 {
	long state;
} __attribute__((preserve_access_index));

#define TASK_NEW 0x0800

static __always_inline bool is_starting(const struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state & TASK_NEW;
	return ((const struct task_struct___before_5_14 *)task)->state & TASK_NEW;
}

/*
 * sched_process_exit tells whether the last thread of the group exits since 6.16 ("exit: move and
 * extend sched_process_exit() tracepoint"), as a third argument. Without it every thread that finds
 * signal->live at 0 may think so, and two can that exit at once.
 */
typedef void (*btf_trace_sched_process_exit___group_dead)(void *, struct task_struct *, bool);

static __always_inline bool kernel_tells_group_dead(void)
{
	return bpf_core_type_exists(btf_trace_sched_process_exit___group_dead);
}

#endif
