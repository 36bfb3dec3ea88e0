/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The kernel's types, as far as the observer reads them. CO-RE finds the true offsets at load by
 * the names of structs and fields, so that order, gaps and sizes here mean nothing; the object
 * needs no BTF file to be built.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_KERNEL_TYPES_H
#define PROCOBSRV_OBSERVER_LINUX_KERNEL_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The names that libbpf's headers want. */
typedef uint8_t __u8;
typedef int8_t __s8;
typedef uint16_t __u16;
typedef int16_t __s16;
typedef uint32_t __u32;
typedef int32_t __s32;
typedef uint64_t __u64;
typedef int64_t __s64;
typedef uint16_t __be16;
typedef uint32_t __be32;
typedef uint64_t __be64;
typedef uint32_t __wsum;

typedef int pid_t;
typedef uint32_t dev_t;

/* Constants of the kernel's user interface (linux/bpf.h) */
#define BPF_MAP_TYPE_ARRAY	      2
#define BPF_MAP_TYPE_PERF_EVENT_ARRAY 4
#define BPF_MAP_TYPE_PERCPU_ARRAY     6
#define BPF_MAP_TYPE_LRU_HASH	      9
#define BPF_MAP_TYPE_RINGBUF	      27

#define BPF_ANY		     0
#define BPF_NOEXIST	     1
#define BPF_F_PRESERVE_ELEMS (1u << 11)
#define BPF_F_CURRENT_CPU    0xffffffffull
#define BPF_RB_NO_WAKEUP     1
#define BPF_RB_FORCE_WAKEUP  2

/* Constants of the kernel's own headers: include/linux/sched.h, include/linux/sched/signal.h,
 * include/linux/pid_types.h, include/linux/stat.h */
#define PF_EXITING	  0x00000004
#define PF_FORKNOEXEC	  0x00000040
#define PF_KTHREAD	  0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004
#define PIDTYPE_SID	  3
#define S_ISUID		  0004000
#define S_ISGID		  0002000
#define S_IXGRP		  0000010
#define KTHREADD_PID	  2

/* cgroup_root.hierarchy_id of the unified one, as /proc/PID/cgroup shows it */
#define UNIFIED_HIERARCHY 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct kuid {
	uint32_t val;
};

struct qstr {
	uint32_t len;
	const unsigned char *name;
};

struct super_block {
	dev_t s_dev;
};

struct inode {
	unsigned short i_mode;
	unsigned int i_nlink;
	unsigned long i_ino;
	struct super_block *i_sb;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	unsigned char d_iname[32];
};

union shortname_store {
	unsigned char string[40];
};

/* d_iname has been renamed since 6.12; 6.18 has it so. */
struct dentry___shortname {
	union shortname_store d_shortname;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
	struct file *exe_file;
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct pid_namespace {
	struct ns_common ns;
};

struct user_namespace {
	struct ns_common ns;
};

struct net {
	struct ns_common ns;
};

struct uts_namespace {
	struct ns_common ns;
};

struct ipc_namespace {
	struct ns_common ns;
};

struct cgroup_namespace {
	struct ns_common ns;
};

struct time_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct net *net_ns;
	struct time_namespace *time_ns;
	struct cgroup_namespace *cgroup_ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct cred {
	struct kuid uid;
	struct kuid gid;
	struct kuid euid;
	struct kuid egid;
	struct user_namespace *user_ns;
};

struct kernfs_node {
	uint64_t id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct tty_driver {
	int major;
	int minor_start;
};

struct tty_struct {
	int index;
	struct tty_driver *driver;
};

struct atomic {
	int counter;
};

struct seqlock {
	unsigned int sequence;
};

struct signal_struct {
	struct atomic live;
	int nr_threads;
	struct list_head thread_head;
	int group_exit_code;
	unsigned int flags;
	struct pid *pids[4];
	struct tty_struct *tty;
	struct seqlock stats_lock; /* a typedef there */
	uint64_t utime;
	uint64_t stime;
	unsigned long maxrss;
	unsigned long long sum_sched_runtime;
};

struct sched_entity {
	uint64_t sum_exec_runtime;
	uint64_t prev_sum_exec_runtime; /* at the beginning of this stay on the cpu */
};

struct sched_info {
	unsigned long long last_arrival;
};

struct thread_info {
	uint32_t status;
};

struct task_struct {
	struct thread_info thread_info;
	unsigned int __state;
	unsigned int flags;
	struct sched_entity se;
	struct sched_info sched_info;
	struct mm_struct *mm;
	int exit_code;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	uint64_t utime;
	uint64_t stime;
	uint64_t start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct kuid loginuid;
	unsigned int sessionid;
	uint64_t self_exec_id;
	struct css_set *cgroups;
};

struct linux_binprm {
	unsigned int secureexec : 1;
	unsigned int per_clear;
	const char *filename;
	const char *interp;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long orig_ax;
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long bx;
	unsigned long cx;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	uint64_t regs[31];
};
struct pt_regs {
	struct user_pt_regs user_regs;
	uint64_t orig_x0;
	int syscallno;
};
#else
#error "say in kernel_types.h and syscall.bpf.h how this architecture passes system calls"
#endif

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#endif
