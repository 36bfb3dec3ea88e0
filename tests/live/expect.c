/* SPDX-License-Identifier: MIT */
/* What is expected of events. */
#include "observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

bool has_flag(const struct procobsrv_event *event, enum procobsrv_process_flag flag)
{
	return event->process->flags & flag;
}

static void expect_nothing_missing(const struct procobsrv_process *process)
{
	EXPECT(process->missing_count == 0, "%s of pid %u is missing: %s",
	       process->missing[0].field, process->pid, process->missing[0].reason);
}

void expect_program(const struct procobsrv_event *event, const char *exe, const char *const *argv)
{
	const struct procobsrv_process *process = event->process;
	size_t argc = 0;

	expect_nothing_missing(process);
	if (exe)
		EXPECT_TEXT("exe", process->exe, exe);
	while (argv && argv[argc])
		argc++;
	if (!argv)
		return;
	EXPECT_EQUAL("argc", process->argc, argc);
	for (size_t i = 0; i < argc; i++) {
		char what[32];

		snprintf(what, sizeof(what), "argv[%zu]", i);
		EXPECT_TEXT(what, process->argv[i], argv[i]);
	}
	EXPECT(!process->argv[argc], "argv is not ended by NULL");
}

void expect_status(const struct procobsrv_event *event, int status)
{
	unsigned code = WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 0;
	unsigned number = WIFSIGNALED(status) ? (unsigned)WTERMSIG(status) : 0;
	unsigned core = WIFSIGNALED(status) && WCOREDUMP(status);
	const struct procobsrv_exit *exit = event->exit;

	EXPECT(exit && exit->has_status, "the exit of pid %u has no status", event->process->pid);
	EXPECT(exit->code == code && exit->signal == number && exit->core_dumped == core,
	       "pid %u ended with code %u signal %u core %u, but wait() says %u, %u, %u",
	       event->process->pid, exit->code, exit->signal, exit->core_dumped, code, number,
	       core);
}

static void expect_present(const struct procobsrv_process *process, enum procobsrv_present bit,
			   bool expected, const char *what)
{
	EXPECT(!(process->present & bit) == !expected, "%s is %s", what,
	       expected ? "absent" : "present");
}

static void expect_proc_facts(const struct procobsrv_process *process,
			      const struct note_facts *facts)
{
	const uint32_t namespaces[NOTE_NAMESPACES] = {
	    process->mount_namespace,	process->pid_namespace,	 process->user_namespace,
	    process->network_namespace, process->uts_namespace,	 process->ipc_namespace,
	    process->cgroup_namespace,	process->time_namespace,
	};

	EXPECT_TEXT("exe", process->exe, facts->exe);
	expect_present(process, PROCOBSRV_HAS_EXE_FILE, true, "the file of exe");
	EXPECT_EQUAL("exe_device", process->exe_device, facts->exe_device);
	EXPECT_EQUAL("exe_inode", process->exe_inode, facts->exe_inode);
	expect_present(process, PROCOBSRV_HAS_LOGINUID, facts->loginuid != UINT32_MAX, "loginuid");
	if (facts->loginuid != UINT32_MAX)
		EXPECT_EQUAL("loginuid", process->loginuid, facts->loginuid);
	expect_present(process, PROCOBSRV_HAS_SESSION, facts->audit_session != UINT32_MAX,
		       "session");
	if (facts->audit_session != UINT32_MAX)
		EXPECT_EQUAL("session", process->session, facts->audit_session);
	for (int i = 0; i < NOTE_NAMESPACES; i++) {
		char what[64];

		snprintf(what, sizeof(what), "the %s namespace", note_namespace_names[i]);
		EXPECT_EQUAL(what, namespaces[i], facts->namespaces[i]);
	}
}

void expect_facts(const struct procobsrv_event *event, const struct note_facts *facts)
{
	const struct procobsrv_process *process = event->process;

	EXPECT(facts->valid, "the workload wrote no facts down");
	expect_nothing_missing(process);
	expect_present(process, PROCOBSRV_HAS_CREDENTIALS, true, "the uid");
	EXPECT_EQUAL("uid", process->uid, facts->uid);
	EXPECT_EQUAL("gid", process->gid, facts->gid);
	EXPECT_EQUAL("euid", process->euid, facts->euid);
	EXPECT_EQUAL("egid", process->egid, facts->egid);
	EXPECT_EQUAL("argc", process->argc, facts->argc);
	EXPECT_TEXT("tty", process->tty, facts->tty[0] ? facts->tty + strlen("/dev/") : NULL);
	expect_present(process, PROCOBSRV_HAS_NS_PID, facts->pid != process->pid, "ns_pid");
	if (facts->pid != process->pid)
		EXPECT_EQUAL("ns_pid", process->ns_pid, facts->pid);
	expect_present(process, PROCOBSRV_HAS_PPID, true, "ppid");
	/* In another pid namespace these are numbers of that one, or 0 for what is outside. */
	if (facts->pid == process->pid) {
		EXPECT_EQUAL("ppid", process->ppid, facts->parent);
		expect_present(process, PROCOBSRV_HAS_SESSION_LEADER, true, "session_leader");
		EXPECT_EQUAL("session_leader", process->session_leader, facts->session_leader);
	}
	if (event->kind == PROCOBSRV_EXEC)
		EXPECT_TEXT("cwd", process->cwd, facts->cwd);
	if (facts->proc)
		expect_proc_facts(process, facts);
}

const struct procobsrv_event *expect_life(const struct tree *tree, uint32_t pid, size_t execs,
					  int status)
{
	const struct procobsrv_event *start = tree_one(tree, PROCOBSRV_START, pid);
	const struct procobsrv_event *end = tree_one(tree, PROCOBSRV_EXIT, pid);
	const struct procobsrv_event *before = start;

	EXPECT(tree_count(tree, PROCOBSRV_EXEC, pid) == execs,
	       "%zu execs of pid %u were told, not %zu", tree_count(tree, PROCOBSRV_EXEC, pid), pid,
	       execs);
	for (size_t i = 0; i <= execs; i++) {
		const struct procobsrv_event *event =
		    i < execs ? tree_at(tree, PROCOBSRV_EXEC, pid, i) : end;

		EXPECT_TEXT("id", event->process->id, start->process->id);
		EXPECT(event->seq > before->seq && event->boot_ns >= before->boot_ns,
		       "%s of pid %u comes before its %s", procobsrv_kind_name(event->kind), pid,
		       procobsrv_kind_name(before->kind));
		EXPECT(event->process->start_boot_ns == start->process->start_boot_ns,
		       "start_boot_ns of pid %u changed", pid);
		before = event;
	}
	EXPECT(has_flag(start, PROCOBSRV_PROCESS_FORKED) &&
		   !has_flag(end, PROCOBSRV_PROCESS_FORKED) == !!execs,
	       "the flag \"forked\" of pid %u is wrong", pid);
	expect_status(end, status);
	return end;
}
