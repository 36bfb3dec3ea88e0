/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The observer of Linux: told by the kernel of each fork, exec and exit, it writes records
 * (observer/record.h) into a ring. This file has the hooks; what they tell is in the headers.
 *
 * It is compiled twice: as it is for kernels since 5.17, and with PROCOBSRV_LEGACY for those since
 * 5.10.
 */
#include "kernel_types.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "quirks.bpf.h"
#include "ring.bpf.h"
#include "task.bpf.h"
#include "strings.bpf.h"
#include "path.bpf.h"
#include "arguments.bpf.h"
#include "exit.bpf.h"
#include "attempt.bpf.h"
#include "helpers.bpf.h"

char object_license[] SEC("license") = "Dual MIT/GPL";

struct start_record {
	struct record_header header;
	struct record_body body;
	struct record_start start;
};

struct exit_record {
	struct record_header header;
	struct record_body body;
	struct record_exit exit;
};

SEC("tp_btf/sched_process_fork")
int BPF_PROG(observe_fork, struct task_struct *trusted_parent, struct task_struct *trusted_child)
{
	struct task_struct *parent = UNTRUSTED(struct task_struct, trusted_parent);
	struct task_struct *child = UNTRUSTED(struct task_struct, trusted_child);
	struct observation observation;

	if (child->pid != child->tgid)
		return 0;
	bool kernel_thread = starts_kernel_thread(parent, child);
	if (kernel_thread && !configuration.kernel_threads)
		return 0;

	observation_begin(&observation, child->start_boottime);
	struct start_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		observation_lost(&observation, RECORD_START);
		return 0;
	}
	header_fill(&record->header, &observation, RECORD_START, 0, sizeof(*record));
	body_fill(&record->body, child, child, kernel_thread ? RECORD_PROCESS_KERNEL_THREAD : 0);
	identity_fill(&record->start.creator, parent->group_leader);
	record->start.clone_flags = 0;
	ring_submit(record);
	return 0;
}

/* The strings were given up: says so of each that there is. */
static __always_inline void image_without_strings(struct record_image *image, bool script)
{
	for (int string = 0; string < RECORD_STRING_COUNT; string++)
		image->string_length[string] = 0;
	image->flags &= ~(RECORD_IMAGE_EXE_REVERSED | RECORD_IMAGE_CWD_REVERSED);
	image->missing = 0;
	image_missing(image, RECORD_STRING_EXE, RECORD_MISSING_NO_ROOM);
	image_missing(image, RECORD_STRING_CWD, RECORD_MISSING_NO_ROOM);
	image_missing(image, RECORD_STRING_FILENAME, RECORD_MISSING_NO_ROOM);
	if (script)
		image_missing(image, RECORD_STRING_INTERPRETER, RECORD_MISSING_NO_ROOM);
	image_missing(image, RECORD_STRING_ARGV, RECORD_MISSING_NO_ROOM);
	image_missing(image, RECORD_STRING_ENV,
		      configuration.capture_env ? RECORD_MISSING_NO_ROOM
						: RECORD_MISSING_NOT_TAKEN);
}

static __always_inline uint32_t exec_flags(const struct task_struct *task,
					   const struct linux_binprm *bprm)
{
	const struct cred *cred = task->real_cred;
	uint32_t mode = task->mm->exe_file->f_inode->i_mode;
	uint32_t flags = 0;

	/* per_clear tells that the bits of the file were honoured. */
	if (bprm->per_clear) {
		if (mode & S_ISUID && cred->uid.val != cred->euid.val)
			flags |= RECORD_IMAGE_SETUID;
		if ((mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		    cred->gid.val != cred->egid.val)
			flags |= RECORD_IMAGE_SETGID;
	}
	if (BPF_CORE_READ_BITFIELD(bprm, secureexec))
		flags |= RECORD_IMAGE_SECURE;
	return flags;
}

/* memfd_create() names its files so, and they have no directory. */
static __always_inline bool is_memory_file(const struct scratch *scratch,
					   const struct record_image *image)
{
	const char *name = scratch->strings;

	return image->flags & RECORD_IMAGE_DELETED && image->string_length[RECORD_STRING_EXE] > 6 &&
	       name[0] == 'm' && name[1] == 'e' && name[2] == 'm' && name[3] == 'f' &&
	       name[4] == 'd' && name[5] == ':';
}

static __always_inline void exec_strings(struct scratch *scratch, struct observation *observation,
					 const struct task_struct *task,
					 const struct linux_binprm *bprm)
{
	struct record_image *image = &scratch->image.image;
	struct strings strings = {.scratch = scratch, .image = image};
	const struct mm_struct *mm = task->mm;

	append_exe_and_cwd(&strings, task);
	if (is_memory_file(scratch, image))
		image->flags |= RECORD_IMAGE_MEMFD;
	append_kernel_string(&strings, RECORD_STRING_FILENAME, bprm->filename, FILENAME_TAKEN);
	if (bprm->interp != bprm->filename)
		append_kernel_string(&strings, RECORD_STRING_INTERPRETER, bprm->interp,
				     INTERPRETER_TAKEN);
	append_user_memory(&strings, RECORD_STRING_ARGV, observation, mm->arg_start, mm->arg_end);
	if (configuration.capture_env)
		append_user_memory(&strings, RECORD_STRING_ENV, observation, mm->env_start,
				   mm->env_end);
	else
		image_missing(image, RECORD_STRING_ENV, RECORD_MISSING_NOT_TAKEN);

	uint64_t size = whole_size(sizeof(struct image_record), &strings);
	header_fill(&scratch->image.header, observation, RECORD_EXEC, RECORD_HAS_IMAGE, size);
	if (ring_output(&scratch->image, size))
		return;

	image_without_strings(image, bprm->interp != bprm->filename);
	header_fill(&scratch->image.header, observation, RECORD_EXEC,
		    RECORD_HAS_IMAGE | RECORD_SMALL, sizeof(struct image_record));
	if (!ring_output(&scratch->image, sizeof(struct image_record)))
		observation_lost(observation, RECORD_EXEC);
}

static __always_inline void exec_fixed(struct image_record *record, const struct task_struct *task,
				       const struct linux_binprm *bprm, uint32_t old_pid)
{
	body_fill(&record->body, task, task, 0);
	image_fill(&record->image, task, exec_flags(task, bprm));
	record->image.thread_pid = old_pid;
	record->image.argv_size = task->mm->arg_end - task->mm->arg_start;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(observe_exec, struct task_struct *trusted_task, pid_t old_pid,
	     struct linux_binprm *trusted_bprm)
{
	struct task_struct *task = UNTRUSTED(struct task_struct, trusted_task);
	struct linux_binprm *bprm = UNTRUSTED(struct linux_binprm, trusted_bprm);
	struct observation observation;
	struct scratch *scratch = scratch_take();

	forget_kernel_helper(task);
	observation_begin(&observation, bpf_ktime_get_boot_ns());
	if (scratch) {
		exec_fixed(&scratch->image, task, bprm, old_pid);
		exec_strings(scratch, &observation, task, bprm);
		scratch_put(scratch);
		return 0;
	}

	struct image_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		observation_lost(&observation, RECORD_EXEC);
		return 0;
	}
	exec_fixed(record, task, bprm, old_pid);
	image_without_strings(&record->image, bprm->interp != bprm->filename);
	header_fill(&record->header, &observation, RECORD_EXEC, RECORD_HAS_IMAGE | RECORD_SMALL,
		    sizeof(*record));
	ring_submit(record);
	return 0;
}

static __always_inline int tell_exit(struct task_struct *task, struct task_struct *leader)
{
	struct observation observation;

	bool kernel_thread = is_kernel_thread(leader);
	if (kernel_thread && !configuration.kernel_threads)
		return 0;
	forget_kernel_helper(leader);

	observation_begin(&observation, bpf_ktime_get_boot_ns());
	struct exit_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		observation_lost(&observation, RECORD_EXIT);
		return 0;
	}
	header_fill(&record->header, &observation, RECORD_EXIT, 0, sizeof(*record));
	body_fill(&record->body, task, leader, kernel_thread ? RECORD_PROCESS_KERNEL_THREAD : 0);
	exit_fill(&record->exit, &observation, task, leader);
	ring_submit(record);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int observe_exit(unsigned long long *arguments)
{
	struct task_struct *task =
	    UNTRUSTED(struct task_struct, (struct task_struct *)arguments[0]);
	struct task_struct *leader = task->group_leader;
	bool told = kernel_tells_group_dead() ? (bool)arguments[1] : false;

	if (!process_ends(task, leader, told))
		return 0;
	return tell_exit(task, leader);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(observe_exec_failed, struct pt_regs *regs, long result)
{
	struct exec_call call;
	struct observation observation;

	if (result >= 0)
		return 0;
	if (!exec_call_read(&call, regs))
		return 0;

	struct scratch *scratch = scratch_take();
	observation_begin(&observation, bpf_ktime_get_boot_ns());
	if (!scratch) {
		observation_lost(&observation, RECORD_EXEC_FAILED);
		return 0;
	}
	struct attempt_record *record = &scratch->attempt;
	struct strings strings = {.scratch = scratch, .image = &record->image};
	attempt_fixed(record, result);
	append_attempt(&strings, &call);
	uint64_t size = whole_size(sizeof(*record), &strings);
	header_fill(&record->header, &observation, RECORD_EXEC_FAILED, RECORD_HAS_IMAGE, size);
	if (!ring_output(record, size))
		observation_lost(&observation, RECORD_EXEC_FAILED);
	scratch_put(scratch);
	return 0;
}

struct cgroup_record {
	struct record_header header;
	struct record_cgroup group;
	char path[RECORD_CGROUP_PATH];
};

/* A note: processes tell the ids of their groups, which may be gone when somebody asks for names.
 */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(note_cgroup, struct cgroup *trusted_group, const char *path)
{
	struct cgroup *group = UNTRUSTED(struct cgroup, trusted_group);
	struct observer_sequence none = {};
	struct observation observation = {.sequence = &none, .time_ns = bpf_ktime_get_boot_ns()};

	/* The others' ids are numbers of their own. */
	if (group->root->hierarchy_id != UNIFIED_HIERARCHY)
		return 0;
	struct cgroup_record *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record)
		return 0;
	header_fill(&record->header, &observation, RECORD_CGROUP, 0, sizeof(*record));
	record->group.id = group->kn->id;
	record->group.reserved = 0;
	for (uint32_t at = 0; at < RECORD_CGROUP_PATH / 8; at++)
		((uint64_t *)record->path)[at] = 0;
	long size = bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
	/* The kernel cuts what is longer: then it is asked for by its id. */
	if (size <= 1 || size >= RECORD_CGROUP_PATH) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return 0;
	}
	record->group.length = (uint32_t)size - 1;
	ring_submit(record);
	return 0;
}

/* The snapshot's own room: the iterator may be preempted. Its reader reads alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct scratch);
} snapshot_scratch SEC(".maps");

SEC("iter/task")
int tell_existing(struct bpf_iter__task *context)
{
	struct task_struct *trusted = context->task;
	struct seq_file *file = context->meta->seq;
	uint32_t key = 0;

	if (!trusted || trusted->pid != trusted->tgid)
		return 0;
	struct task_struct *task = UNTRUSTED(struct task_struct, trusted);
	bool kernel_thread = is_kernel_thread(task);
	if (kernel_thread && !configuration.kernel_threads)
		return 0;
	struct scratch *scratch = bpf_map_lookup_elem(&snapshot_scratch, &key);
	if (!scratch)
		return 0;

	struct image_record *record = &scratch->image;
	struct strings strings = {.scratch = scratch, .image = &record->image};
	uint64_t size = offsetof(struct image_record, image);
	uint32_t process_flags = kernel_thread ? RECORD_PROCESS_KERNEL_THREAD : 0;
	if (task->signal->live.counter == 0)
		process_flags |= RECORD_PROCESS_EXITING;
	if (is_starting(task))
		process_flags |= RECORD_PROCESS_STARTING;
	if (!(task->flags & PF_FORKNOEXEC))
		process_flags |= RECORD_PROCESS_EXECED;
	struct observer_sequence none = {};
	struct observation observation = {.sequence = &none, .time_ns = bpf_ktime_get_boot_ns()};

	body_fill(&record->body, task, task, process_flags);
	if (task->mm && task->mm->exe_file && task->fs) {
		image_fill(&record->image, task, 0);
		append_exe_and_cwd(&strings, task);
		if (is_memory_file(scratch, &record->image))
			record->image.flags |= RECORD_IMAGE_MEMFD;
		image_missing(&record->image, RECORD_STRING_FILENAME, RECORD_MISSING_NOT_TAKEN);
		record->image.argv_size = task->mm->arg_end - task->mm->arg_start;
		size = whole_size(sizeof(*record), &strings);
	}
	header_fill(&record->header, &observation, RECORD_EXISTING,
		    size >= sizeof(*record) ? RECORD_HAS_IMAGE : 0, size);
	bpf_seq_write(file, record, size);
	return 0;
}
