/* SPDX-License-Identifier: MIT */
/* Workloads that make processes, each by another call, and write down each that they made. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char child_stack[65536] __attribute__((aligned(16)));

static void settle(struct note_entry *entry, int pid)
{
	if (pid < 0)
		die("creating a process");
	entry->pid = (uint32_t)pid;
	entry->parent = (uint32_t)getpid();
	entry->status = wait_status(pid);
}

static void by_fork(void)
{
	struct note_entry *entry = note_entry();
	int pid = fork();

	if (!pid)
		_exit(10);
	settle(entry, pid);
}

static void by_vfork(void)
{
	struct note_entry *entry = note_entry();
	int pid = vfork();

	if (!pid)
		_exit(11);
	settle(entry, pid);
}

static void by_vfork_and_exec(void)
{
	static const char *const argv[] = {"after-vfork", "exit", "12", NULL};
	struct note_entry *entry = note_entry();
	int pid = vfork();

	if (!pid) {
		execve(worker_path, (char *const *)argv, environ);
		_exit(120);
	}
	settle(entry, pid);
}

static void by_clone3(uint64_t flags, uint64_t signal, int descriptor, int code)
{
	struct clone_args arguments = {
	    .flags = flags,
	    .exit_signal = signal,
	    .cgroup = (uint64_t)(descriptor < 0 ? 0 : descriptor),
	};
	struct note_entry *entry = note_entry();
	long pid = syscall(SYS_clone3, &arguments, sizeof(arguments));

	if (!pid)
		_exit(code);
	settle(entry, (int)pid);
}

static int exit_with(void *param)
{
	_exit(*(int *)param);
}

/* Shares the memory but is a process, as vfork's children are. */
static void by_clone_vm(void)
{
	static int code = 14;
	struct note_entry *entry = note_entry();

	settle(entry, clone(exit_with, child_stack + sizeof(child_stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, &code));
}

static void by_posix_spawn(void)
{
	static const char *const argv[] = {"spawned", "exit", "15", NULL};
	struct note_entry *entry = note_entry();
	pid_t pid = -1;

	errno = posix_spawn(&pid, worker_path, NULL, NULL, (char *const *)argv, environ);
	settle(entry, pid);
}

static void *fork_in_thread(void *param)
{
	struct note_entry *entry = param;
	int pid = fork();

	if (!pid)
		_exit(17);
	settle(entry, pid);
	return NULL;
}

/* The parent of what a thread makes is the process, not the thread. */
static void by_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fork_in_thread, note_entry()))
		die("pthread_create");
	pthread_join(thread, NULL);
}

/* A go-between makes a sibling of itself: its parent is ours, its creator is the go-between. */
static void by_clone_parent(void)
{
	static int code = 16;
	struct note_entry *between = note_entry();
	struct note_entry *sibling = note_entry();
	int pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		int made = clone(exit_with, child_stack + sizeof(child_stack),
				 CLONE_PARENT | SIGCHLD, &code);

		sibling->pid = (uint32_t)made;
		_exit(made < 0 ? 120 : 18);
	}
	settle(between, pid);
	settle(sibling, (int)sibling->pid);
	sibling->value = between->pid;
}

/* create HOW [CGROUP]: "all" makes one child in each way, their codes being 10 to 19. */
int verb_create(int argc, char **argv)
{
	const char *how = argc > 2 ? argv[2] : "all";

	if (!strcmp(how, "cgroup")) {
		int group = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (group < 0)
			die(argv[3]);
		by_clone3(CLONE_INTO_CGROUP, SIGCHLD, group, 19);
		return 0;
	}
	by_fork();
	by_vfork();
	by_vfork_and_exec();
	by_clone3(0, SIGCHLD, -1, 13);
	by_clone3(0, 0, -1, 13);
	by_clone_vm();
	by_posix_spawn();
	by_thread();
	by_clone_parent();
	return 0;
}

/* orphan: the child of a child that leaves; it becomes ours, and then exits. */
int verb_orphan(int argc, char **argv)
{
	struct note_entry *between = note_entry();
	struct note_entry *orphan = note_entry();
	int self = getpid();
	int pid;

	(void)argc;
	(void)argv;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		die("PR_SET_CHILD_SUBREAPER");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int made = fork();

		if (!made) {
			while (getppid() != self)
				sleep_ms(1);
			_exit(16);
		}
		orphan->pid = (uint32_t)made;
		_exit(made < 0 ? 120 : 18);
	}
	settle(between, pid);
	settle(orphan, (int)orphan->pid);
	orphan->value = between->pid;
	return 0;
}

static void storm_child(struct note_entry *entry, unsigned index)
{
	const char *argv[] = {"storm", "exit", NULL, NULL};
	char code[16];

	usleep(index * 7919 % 3000);
	entry->to_ns = boot_ns();
	if (index % 2 == 0)
		_exit((int)(index % 200));
	snprintf(code, sizeof(code), "%u", index % 200);
	argv[2] = code;
	exec_self(argv);
}

/*
 * storm: until permission 1, children that live up to 3 ms, 16 at a time, every other one with an
 * exec; each knows when it was made and when it left or called exec.
 */
int verb_storm(int argc, char **argv)
{
	unsigned living = 0;

	(void)argc;
	(void)argv;
	atomic_store(&note->stage, 1);
	for (unsigned i = 0; i < NOTE_ENTRIES_MAX - 1; i++) {
		struct note_entry *entry;
		int pid;

		if (atomic_load(&note->permission) >= 1)
			break;
		entry = note_entry();
		entry->value = i;
		entry->from_ns = boot_ns();
		pid = fork();
		if (pid < 0)
			die("fork");
		if (!pid)
			storm_child(entry, i);
		entry->pid = (uint32_t)pid;
		entry->made_ns = boot_ns();
		if (++living >= 16 && waitpid(-1, NULL, 0) > 0)
			living--;
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

/* many COUNT: as many children in a row, with codes from 0 to 249; nothing is written down. */
int verb_many(int argc, char **argv)
{
	unsigned count = (unsigned)number_at(argc, argv, 2, 1000);

	for (unsigned i = 0; i < count; i++) {
		int pid = vfork();

		if (pid < 0)
			die("vfork");
		if (!pid)
			_exit((int)(i % 250));
		wait_status(pid);
	}
	return 0;
}
