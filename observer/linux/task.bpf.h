/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What is told of a task. Its argument is a pointer whose type the verifier knows, so that reading
 * through it is a plain load that yields 0 where a pointer on the way is NULL.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_TASK_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_TASK_BPF_H

#include "kernel_types.h"
#include "observer/record.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MAX_PID_LEVEL 32 /* MAX_PID_NS_LEVEL */

/* The innermost of a struct pid's numbers and namespaces. */
struct inner_pid {
	uint32_t number;
	uint32_t namespace;
};

static __always_inline void inner_pid_read(struct inner_pid *inner, const struct task_struct *task,
					   bool want_namespace)
{
	const struct pid *pid = task->thread_pid;
	uint32_t level = pid->level;

	if (level == 0) {
		inner->number = pid->numbers[0].nr;
		inner->namespace = want_namespace ? pid->numbers[0].ns->ns.inum : 0;
		return;
	}
	/* Only plain numbers may be indexed with a variable: read the pointer as one. */
	uint64_t address = 0;
	uint64_t namespace = 0;
	if (level > MAX_PID_LEVEL)
		level = MAX_PID_LEVEL;
	inner->number = 0;
	inner->namespace = 0;
	bpf_probe_read_kernel(&address, sizeof(address), &task->thread_pid);
	address +=
	    bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&inner->number, sizeof(inner->number),
			      (void *)(address + bpf_core_field_offset(struct upid, nr)));
	if (!want_namespace)
		return;
	bpf_probe_read_kernel(&namespace, sizeof(namespace),
			      (void *)(address + bpf_core_field_offset(struct upid, ns)));
	namespace += bpf_core_field_offset(struct pid_namespace, ns) +
		     bpf_core_field_offset(struct ns_common, inum);
	bpf_probe_read_kernel(&inner->namespace, sizeof(inner->namespace), (void *)namespace);
}

/* Who a task's process is; `leader` leads its thread group. The namespace's number is not told. */
static __always_inline void identity_fill(struct record_identity *identity,
					  const struct task_struct *leader)
{
	identity->start_ns = leader->start_boottime;
	identity->pid = leader->tgid;
	identity->ns_pid = 0;
}

static __always_inline void credentials_fill(struct record_credentials *credentials,
					     const struct task_struct *task)
{
	const struct cred *cred = task->real_cred;

	credentials->uid = cred->uid.val;
	credentials->gid = cred->gid.val;
	credentials->euid = cred->euid.val;
	credentials->egid = cred->egid.val;
	/* CONFIG_AUDIT */
	credentials->loginuid =
	    bpf_core_field_exists(task->loginuid) ? task->loginuid.val : RECORD_ID_UNKNOWN;
	credentials->session =
	    bpf_core_field_exists(task->sessionid) ? task->sessionid : RECORD_ID_UNKNOWN;
}

/* As new_encode_dev() in include/linux/kdev_t.h, which is what stat(2) shows. */
static __always_inline uint32_t device_encode(uint32_t major, uint32_t minor)
{
	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

static __always_inline uint32_t tty_device(const struct signal_struct *signal)
{
	const struct tty_struct *tty = signal->tty;

	if (!tty)
		return 0;
	const struct tty_driver *driver = tty->driver;
	return device_encode(driver->major, driver->minor_start + tty->index);
}

/* `task` is any live thread of the process, `leader` its first. */
static __always_inline void body_fill(struct record_body *body, const struct task_struct *task,
				      const struct task_struct *leader, uint32_t process_flags)
{
	const struct signal_struct *signal = leader->signal;
	const uint64_t *name = (const uint64_t *)leader->comm;
	uint64_t *to = (uint64_t *)body->name;
	struct inner_pid inner;

	inner_pid_read(&inner, leader, false);
	identity_fill(&body->process, leader);
	body->process.ns_pid = inner.number;
	identity_fill(&body->parent, leader->real_parent->group_leader);
	credentials_fill(&body->credentials, task);
	to[0] = name[0];
	to[1] = name[1];
	body->cgroup = leader->cgroups->dfl_cgrp->kn->id;
	body->exec_id = leader->self_exec_id;
	body->process_flags = process_flags;
	body->tty = tty_device(signal);
	body->session_leader = signal->pids[PIDTYPE_SID]->numbers[0].nr;
	body->reserved = 0;
}

/* The image's numbers; its strings are counted and their flags set by who writes them. */
static __always_inline void image_fill(struct record_image *image, const struct task_struct *task,
				       uint32_t flags)
{
	const struct nsproxy *namespaces = task->nsproxy;
	const struct inode *inode = task->mm->exe_file->f_inode;
	uint32_t device = inode->i_sb->s_dev; /* 12 bits of major, 20 of minor */
	struct inner_pid inner;

	inner_pid_read(&inner, task, true);
	for (int string = 0; string < RECORD_STRING_COUNT; string++)
		image->string_length[string] = 0;
	image->missing = 0;
	image->flags = flags | (inode->i_nlink == 0 ? RECORD_IMAGE_DELETED : 0);
	image->exe_device = device_encode(device >> 20, device & 0xfffff);
	image->exe_inode = inode->i_ino;
	image->mount_namespace = namespaces->mnt_ns->ns.inum;
	image->pid_namespace = inner.namespace;
	image->user_namespace = task->real_cred->user_ns->ns.inum;
	image->network_namespace = namespaces->net_ns->ns.inum;
	image->uts_namespace = namespaces->uts_ns->ns.inum;
	image->ipc_namespace = namespaces->ipc_ns->ns.inum;
	image->cgroup_namespace = namespaces->cgroup_ns->ns.inum;
	image->time_namespace = namespaces->time_ns->ns.inum;
	image->thread_pid = task->pid;
	image->reserved = 0;
	image->argv_size = 0;
}

#endif
