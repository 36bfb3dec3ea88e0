/* SPDX-License-Identifier: MIT */
/* Who a process is: credentials, session, terminal, cgroup, namespaces, the file of its program. */
#include "observe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last exec and the exit of the workload are those of "facts 6". */
static void expect_run_facts(const struct run *run)
{
	uint32_t pid = (uint32_t)run->workload.pid;
	size_t execs = tree_count(&run->tree, PROCOBSRV_EXEC, pid);

	workload_expect_code(&run->workload, 6);
	EXPECT(execs, "no exec was told");
	expect_life(&run->tree, pid, execs, run->workload.status);
	expect_facts(tree_at(&run->tree, PROCOBSRV_EXEC, pid, execs - 1),
		     &run->workload.note->facts);
	expect_facts(tree_one(&run->tree, PROCOBSRV_EXIT, pid), &run->workload.note->facts);
}

/* Prepares by these steps, then runs "facts". */
#define FACTS(run, ...)                                                                            \
	RUN(run, "with", __VA_ARGS__, "--", live_program("live_worker"), "facts", "6")

static void plain_facts(void)
{
	struct run run;

	RUN(&run, "facts", "6");
	expect_run_facts(&run);
	run_free(&run);
}

static void credentials(void)
{
	struct run run;
	const struct procobsrv_event *start;

	FACTS(&run, "gid=2345", "uid=1234");
	EXPECT_EQUAL("uid of the workload", run.workload.note->facts.uid, 1234);
	expect_run_facts(&run);
	start = tree_one(&run.tree, PROCOBSRV_START, (uint32_t)run.workload.pid);
	EXPECT_EQUAL("uid at the start", start->process->uid, geteuid());
	EXPECT(!has_flag(tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1),
			 PROCOBSRV_PROCESS_SETUID),
	       "\"setuid\" is set for a plain program");
	run_free(&run);
}

/* An audit login makes a new audit session, too. */
static void login(void)
{
	struct run run;

	if (access("/proc/self/loginuid", R_OK))
		live_skip("this kernel has no audit logins");
	FACTS(&run, "loginuid=4242");
	EXPECT_EQUAL("loginuid of the workload", run.workload.note->facts.loginuid, 4242);
	expect_run_facts(&run);
	run_free(&run);
}

static void session_and_terminal(void)
{
	struct run run;
	struct note_facts *facts;

	FACTS(&run, "session");
	EXPECT_EQUAL("session of the workload", run.workload.note->facts.session_leader,
		     run.workload.pid);
	expect_run_facts(&run);
	run_free(&run);

	FACTS(&run, "session", "tty");
	facts = &run.workload.note->facts;
	EXPECT(!strncmp(facts->tty, "/dev/pts/", 9), "the workload's terminal is \"%s\"",
	       facts->tty);
	expect_run_facts(&run);
	run_free(&run);
}

/* A setuid or setgid copy of the worker, run by somebody else. */
static void run_privileged(struct run *run, const char *name, unsigned mode)
{
	const char *program = live_path("%s", name);
	struct statfs status;

	EXPECT(!statfs(live_directory(), &status), "statfs: %s", strerror(errno));
	if (status.f_flags & 2 /* ST_NOSUID */)
		live_skip("%s is mounted nosuid", live_directory());
	live_copy(live_program("live_worker"), program, mode);
	EXPECT(!chown(program, 3456, 4567) && !chmod(program, mode), "chown: %s", strerror(errno));
	RUN(run, "with", "gid=2345", "uid=1234", "--", program, "facts", "6");
}

static void setuid_program(void)
{
	struct run run;
	uint32_t pid;
	const struct procobsrv_event *exec;

	run_privileged(&run, "setuid-copy", 04755);
	pid = (uint32_t)run.workload.pid;
	EXPECT(run.workload.note->facts.euid == 3456 && run.workload.note->facts.uid == 1234,
	       "the workload did not become another user");
	/* Such a program may not read its own /proc. */
	EXPECT(!run.workload.note->facts.proc || run.workload.note->facts.exe_inode, "no inode");
	run.workload.note->facts.proc = 0;
	expect_run_facts(&run);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, pid, 1);
	EXPECT_TEXT("exe", exec->process->exe, live_path("setuid-copy"));
	EXPECT(has_flag(exec, PROCOBSRV_PROCESS_SETUID), "the flag \"setuid\" is not set");
	EXPECT(has_flag(exec, PROCOBSRV_PROCESS_SECURE), "the flag \"secure\" is not set");
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_SETGID), "the flag \"setgid\" is set");
	EXPECT(!has_flag(tree_at(&run.tree, PROCOBSRV_EXEC, pid, 0), PROCOBSRV_PROCESS_SETUID),
	       "the flag \"setuid\" is set before that program");
	run_free(&run);
}

static void setgid_program(void)
{
	struct run run;
	const struct procobsrv_event *exec;

	run_privileged(&run, "setgid-copy", 02755);
	EXPECT_EQUAL("egid of the workload", run.workload.note->facts.egid, 4567);
	run.workload.note->facts.proc = 0;
	expect_run_facts(&run);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	EXPECT(has_flag(exec, PROCOBSRV_PROCESS_SETGID), "the flag \"setgid\" is not set");
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_SETUID), "the flag \"setuid\" is set");
	run_free(&run);
}

/* The bit alone does not set the flag: the owner stays who he was. */
static void setuid_by_its_owner(void)
{
	const char *program = live_path("own-copy");
	struct run run;

	live_copy(live_program("live_worker"), program, 04755);
	RUN(&run, "with", "core=0", "--", program, "facts", "6");
	expect_run_facts(&run);
	EXPECT(!has_flag(tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1),
			 PROCOBSRV_PROCESS_SETUID),
	       "the flag \"setuid\" is set, though nobody became another user");
	run_free(&run);
}

static void control_group(void)
{
	const char *group = live_cgroup();
	struct stat status;
	struct run run;
	char step[8300];
	const struct procobsrv_event *exec;

	EXPECT(!stat(group, &status), "stat %s: %s", group, strerror(errno));
	snprintf(step, sizeof(step), "cgroup=%s", group);
	FACTS(&run, step);
	expect_run_facts(&run);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	EXPECT(exec->process->present & PROCOBSRV_HAS_CGROUP, "cgroup_id is absent");
	EXPECT_EQUAL("cgroup_id", exec->process->cgroup_id, status.st_ino);
	EXPECT(exec->process->cgroup, "the cgroup's path is absent");
	EXPECT_TEXT("cgroup", exec->process->cgroup, strrchr(group, '/'));
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 0);
	EXPECT(exec->process->cgroup_id != (uint64_t)status.st_ino, "the group came too early");
	run_free(&run);
}

/* In a group that is gone before anybody can look. */
static pid_t run_in_group(const char *group)
{
	char path[4200];
	int status;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	EXPECT(!mkdir(group, 0755), "mkdir %s: %s", group, strerror(errno));
	pid_t child = fork();
	if (!child) {
		int file = open(path, O_WRONLY | O_CLOEXEC);
		_exit(write(file, "0", 1) != 1);
	}
	EXPECT(child > 0 && waitpid(child, &status, 0) == child, "fork: %s", strerror(errno));
	EXPECT_EQUAL("the child's status", status, 0);
	EXPECT(!rmdir(group), "rmdir %s: %s", group, strerror(errno));
	return child;
}

static void short_lived_groups(void)
{
	enum { GROUPS = 1000 };
	struct observation observation = {.sleep_us = 200};
	const char *group = live_cgroup();
	pid_t children[GROUPS];
	char path[4150];
	size_t seen = 0;

	observe_start(&observation, NULL);
	for (int i = 0; i < GROUPS; i++) {
		snprintf(path, sizeof(path), "%s/lxc.payload.%d", group, i);
		children[i] = run_in_group(path);
	}
	observe_stop(&observation);
	for (size_t i = 0; i < observation.count && seen < GROUPS; i++) {
		const struct procobsrv_event *event = observation.events[i];
		if (event->kind != PROCOBSRV_EXIT || event->process->ppid != (uint32_t)getpid() ||
		    event->process->pid != (uint32_t)children[seen])
			continue;
		snprintf(path, sizeof(path), "%s/lxc.payload.%zu", strrchr(group, '/'), seen);
		EXPECT(event->process->cgroup, "the path of group %zu is absent", seen);
		EXPECT_TEXT("cgroup", event->process->cgroup, path);
		snprintf(path, sizeof(path), "%zu", seen++);
		EXPECT_TEXT("container", event->process->container_id, path);
		EXPECT_TEXT("runtime", event->process->runtime, "lxc");
	}
	EXPECT_EQUAL("exits in groups", seen, GROUPS);
	observe_free(&observation);
}

static void other_namespaces(void)
{
	static const char *const steps[] = {"unshare=mnt", "unshare=uts", "unshare=ipc",
					    "unshare=net", "unshare=cgroup"};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct run run;

		FACTS(&run, steps[i]);
		expect_run_facts(&run);
		run_free(&run);
	}
}

/* Ids are those of the initial user namespace, whatever the process itself believes. */
static void user_namespace(void)
{
	struct run run;
	uint32_t pid;
	const struct procobsrv_event *exec;

	FACTS(&run, "gid=2345", "uid=1234", "unshare=user");
	workload_expect_code(&run.workload, 6);
	pid = (uint32_t)run.workload.pid;
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, pid, 1);
	EXPECT(run.workload.note->facts.uid != 1234, "the workload still knows its uid");
	EXPECT_EQUAL("uid", exec->process->uid, 1234);
	EXPECT_EQUAL("gid", exec->process->gid, 2345);
	EXPECT_EQUAL("the user namespace", exec->process->user_namespace,
		     run.workload.note->facts.namespaces[2]);
	run_free(&run);
}

/* The child of a process that unshared: all of it in numbers of this machine. */
static const struct procobsrv_event *expect_child_facts(const struct run *run)
{
	const struct note_entry *child = &run->workload.note->entries[0];
	const struct note_facts *facts = &run->workload.note->facts;
	const struct procobsrv_event *start;
	const struct procobsrv_event *exec;

	workload_expect_code(&run->workload, 6);
	expect_life(&run->tree, child->pid, 1, child->status);
	start = tree_one(&run->tree, PROCOBSRV_START, child->pid);
	exec = tree_one(&run->tree, PROCOBSRV_EXEC, child->pid);
	expect_facts(exec, facts);
	expect_facts(tree_one(&run->tree, PROCOBSRV_EXIT, child->pid), facts);
	EXPECT_EQUAL("parent", exec->parent->pid, run->workload.pid);
	EXPECT(start->process->pid_namespace == 0 ||
		   start->process->pid_namespace == facts->namespaces[1],
	       "at its start it is told to be in its parent's pid namespace");
	EXPECT(start->process->time_namespace == 0 ||
		   start->process->time_namespace == facts->namespaces[7],
	       "at its start it is told to be in its parent's time namespace");
	EXPECT(start->process->start_boot_ns >= run->workload.before_ns &&
		   start->process->start_boot_ns <= run->workload.ended_ns,
	       "start_boot_ns %llu is not of this machine's clock",
	       (unsigned long long)start->process->start_boot_ns);
	return start;
}

static void pid_namespace(void)
{
	struct run run;
	const struct procobsrv_event *start;

	FACTS(&run, "unshare=pid", "unshare=mnt", "fork", "proc");
	EXPECT_EQUAL("pid that the workload knows", run.workload.note->facts.pid, 1);
	start = expect_child_facts(&run);
	EXPECT(start->process->present & PROCOBSRV_HAS_NS_PID, "ns_pid is absent at the start");
	EXPECT_EQUAL("ns_pid at the start", start->process->ns_pid, 1);
	run_free(&run);
}

static void time_namespace(void)
{
	struct run run;

	if (access("/proc/self/ns/time", F_OK))
		live_skip("this kernel has no time namespaces");
	FACTS(&run, "unshare=time", "ahead=100000", "fork");
	EXPECT(run.workload.note->facts.namespaces[7], "the workload's time namespace");
	expect_child_facts(&run);
	run_free(&run);
}

const struct live_test identity_tests[] = {
    {"plain_facts", plain_facts, 0},
    {"credentials", credentials, 0},
    {"login", login, 0},
    {"session_and_terminal", session_and_terminal, 0},
    {"setuid_program", setuid_program, 0},
    {"setgid_program", setgid_program, 0},
    {"setuid_by_its_owner", setuid_by_its_owner, 0},
    {"control_group", control_group, 0},
    {"short_lived_groups", short_lived_groups, 0},
    {"other_namespaces", other_namespaces, 0},
    {"user_namespace", user_namespace, 0},
    {"pid_namespace", pid_namespace, 0},
    {"time_namespace", time_namespace, 0},
    {NULL, NULL, 0},
};
