/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What an exec that failed was called with, from the memory of the caller, who lives on. */
#ifndef PROCOBSRV_OBSERVER_LINUX_ATTEMPT_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_ATTEMPT_BPF_H

#include "strings.bpf.h"
#include "syscall.bpf.h"
#include "task.bpf.h"

#define ATTEMPT_ARGUMENT_ROOM 1024 /* most bytes of one argument */
#ifdef PROCOBSRV_LEGACY
#define MAX_ATTEMPT_ARGUMENTS 64
#else
#define MAX_ATTEMPT_ARGUMENTS 1024
#endif

/* One argument. 0: go on. */
static __always_inline long attempt_step(struct scratch *scratch)
{
	struct attempt_walk *walk = &scratch->attempt_walk;
	uint64_t argument = 0;
	uint64_t end = *(volatile uint64_t *)&walk->end; /* forgets its bounds */
	long failed;

	walk->done = 1;
	if (walk->pointer_size == 4)
		failed = bpf_probe_read_user(&argument, 4, (void *)walk->argv);
	else
		failed = bpf_probe_read_user(&argument, 8, (void *)walk->argv);
	if (failed) {
		walk->missing = RECORD_MISSING_UNREADABLE;
		return 1;
	}
	if (!argument)
		return 1;
	if (end - walk->start > ARGUMENTS_TAKEN - ATTEMPT_ARGUMENT_ROOM ||
	    end > STRINGS_ROOM - ATTEMPT_ARGUMENT_ROOM) {
		walk->missing = RECORD_MISSING_TRUNCATED;
		return 1;
	}
	long length = bpf_probe_read_user_str(scratch->strings + end, ATTEMPT_ARGUMENT_ROOM,
					      (void *)argument);
	if (length <= 0) {
		walk->missing = RECORD_MISSING_UNREADABLE;
		return 1;
	}
	if (length == ATTEMPT_ARGUMENT_ROOM)
		walk->missing = RECORD_MISSING_TRUNCATED;
	walk->end = end + length;
	walk->argv += walk->pointer_size;
	walk->done = 0;
	return 0;
}

#ifndef PROCOBSRV_LEGACY
static long attempt_step_callback(uint32_t index, struct strings *strings)
{
	return attempt_step(strings->scratch);
}
#endif

/*
 * This hook does not get the task, and bpf_get_current_task_btf() came with 5.11 ("bpf: Implement
 * get_current_task_btf"). Before it the body says who, no more; the rest is known from the
 * process's start.
 */
#ifdef PROCOBSRV_LEGACY
static __always_inline void attempt_fixed(struct attempt_record *record, long result)
{
	const struct task_struct *task = (void *)bpf_get_current_task();
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	const struct task_struct *parent = BPF_CORE_READ(leader, real_parent, group_leader);
	const struct cred *cred = BPF_CORE_READ(task, real_cred);

	__builtin_memset(&record->body, 0, sizeof(record->body));
	record->body.process.start_ns = BPF_CORE_READ(leader, start_boottime);
	record->body.process.pid = BPF_CORE_READ(leader, tgid);
	record->body.parent.start_ns = BPF_CORE_READ(parent, start_boottime);
	record->body.parent.pid = BPF_CORE_READ(parent, tgid);
	record->body.credentials.uid = BPF_CORE_READ(cred, uid.val);
	record->body.credentials.gid = BPF_CORE_READ(cred, gid.val);
	record->body.credentials.euid = BPF_CORE_READ(cred, euid.val);
	record->body.credentials.egid = BPF_CORE_READ(cred, egid.val);
	record->body.credentials.loginuid = RECORD_ID_UNKNOWN;
	record->body.credentials.session = RECORD_ID_UNKNOWN;
	if (bpf_core_field_exists(task->loginuid))
		record->body.credentials.loginuid = BPF_CORE_READ(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		record->body.credentials.session = BPF_CORE_READ(task, sessionid);
	BPF_CORE_READ_INTO(&record->body.name, leader, comm);
	record->body.cgroup = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	record->body.exec_id = BPF_CORE_READ(leader, self_exec_id);
	__builtin_memset(&record->image, 0, sizeof(record->image));
	record->image.thread_pid = BPF_CORE_READ(task, pid);
	record->attempt.error = -result;
	record->attempt.reserved = 0;
}
#else
static __always_inline void attempt_fixed(struct attempt_record *record, long result)
{
	struct task_struct *task = bpf_get_current_task_btf();

	body_fill(&record->body, task, task->group_leader, 0);
	image_fill(&record->image, task, 0);
	record->image.thread_pid = task->pid;
	record->attempt.error = -result;
	record->attempt.reserved = 0;
}
#endif

static __always_inline void append_attempt(struct strings *strings, const struct exec_call *call)
{
	struct record_image *image = strings->image;
	uint64_t start = strings->end;

	image_missing(image, RECORD_STRING_EXE, RECORD_MISSING_NOT_TAKEN);
	image_missing(image, RECORD_STRING_CWD, RECORD_MISSING_NOT_TAKEN);
	image_missing(image, RECORD_STRING_ENV, RECORD_MISSING_NOT_TAKEN);
	if (start > STRINGS_ROOM - FILENAME_TAKEN)
		return;
	long length = bpf_probe_read_user_str(strings->scratch->strings + start, FILENAME_TAKEN,
					      (void *)call->filename);
	if (length <= 0) {
		image_missing(image, RECORD_STRING_FILENAME, RECORD_MISSING_UNREADABLE);
	} else {
		image->string_length[RECORD_STRING_FILENAME] = length - 1;
		start += length - 1;
	}

	struct attempt_walk *walk = &strings->scratch->attempt_walk;
	walk->argv = call->argv;
	walk->start = start;
	walk->end = start;
	walk->pointer_size = call->pointer_size;
	walk->missing = RECORD_WHOLE;
	walk->done = 0;
	if (call->argv) { /* NULL is no arguments */
#ifdef PROCOBSRV_LEGACY
		for (int i = 0; i < MAX_ATTEMPT_ARGUMENTS; i++)
			if (attempt_step(strings->scratch))
				break;
#else
		bpf_loop(MAX_ATTEMPT_ARGUMENTS, attempt_step_callback, strings, 0);
#endif
		if (!walk->done)
			walk->missing = RECORD_MISSING_TRUNCATED;
	}
	image->string_length[RECORD_STRING_ARGV] = walk->end - start;
	image_missing(image, RECORD_STRING_ARGV, walk->missing);
	strings->end = walk->end;
}

#endif
