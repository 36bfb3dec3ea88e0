/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The arguments of a system call that has failed, for each architecture. */
#ifndef PROCOBSRV_OBSERVER_LINUX_SYSCALL_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_SYSCALL_BPF_H

#include "kernel_types.h"

#include <bpf/bpf_helpers.h>

/* What execve and execveat have in common. */
struct exec_call {
	uint64_t filename;
	uint64_t argv;
	uint32_t pointer_size; /* 4: a 32-bit program's call */
};

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 0x0002 /* arch/x86/include/asm/thread_info.h */
#define X32_BIT	  0x40000000

static __always_inline bool is_compat(void)
{
	uint32_t status = 0;
	uint64_t task = bpf_get_current_task();

	bpf_probe_read_kernel(&status, sizeof(status),
			      (void *)(task +
				       bpf_core_field_offset(struct task_struct, thread_info) +
				       bpf_core_field_offset(struct thread_info, status)));
	return status & TS_COMPAT;
}

/* False: another system call. */
static __always_inline bool exec_call_read(struct exec_call *call, const struct pt_regs *regs)
{
	uint64_t number = regs->orig_ax;

	call->pointer_size = 8;
	switch (number) {
	case 59: /* execve */
		call->filename = regs->di;
		call->argv = regs->si;
		return !is_compat();
	case 322: /* execveat */
		call->filename = regs->si;
		call->argv = regs->dx;
		return !is_compat();
	case X32_BIT | 520:
		call->filename = regs->di;
		call->argv = regs->si;
		call->pointer_size = 4;
		return true;
	case X32_BIT | 545:
		call->filename = regs->si;
		call->argv = regs->dx;
		call->pointer_size = 4;
		return true;
	case 11: /* execve of a 32-bit program */
		call->filename = (uint32_t)regs->bx;
		call->argv = (uint32_t)regs->cx;
		call->pointer_size = 4;
		return is_compat();
	case 358: /* execveat of a 32-bit program */
		call->filename = (uint32_t)regs->cx;
		call->argv = (uint32_t)regs->dx;
		call->pointer_size = 4;
		return is_compat();
	default:
		return false;
	}
}

#elif defined(__TARGET_ARCH_arm64)

static __always_inline bool exec_call_read(struct exec_call *call, const struct pt_regs *regs)
{
	call->pointer_size = 8;
	switch (regs->syscallno) {
	case 221: /* execve; its first argument's register holds the result by now */
		call->filename = regs->orig_x0;
		call->argv = regs->user_regs.regs[1];
		return true;
	case 281: /* execveat */
		call->filename = regs->user_regs.regs[1];
		call->argv = regs->user_regs.regs[2];
		return true;
	default:
		return false;
	}
}

#endif

#endif
