/* SPDX-License-Identifier: MIT */
/* Programs, and the ways to run one. */
#include "kernel_objects.h"
#include "observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAIN 100

static void exec_chain(void)
{
	struct run run;
	uint32_t pid;
	uint64_t exec_id;

	RUN(&run, "chain", "100", "33");
	workload_expect_code(&run.workload, 33);
	pid = (uint32_t)run.workload.pid;
	expect_life(&run.tree, pid, CHAIN + 1, run.workload.status);
	exec_id = tree_at(&run.tree, PROCOBSRV_EXEC, pid, 0)->process->exec_id;
	for (unsigned i = 1; i <= CHAIN; i++) {
		const struct procobsrv_event *exec = tree_at(&run.tree, PROCOBSRV_EXEC, pid, i);
		char left[16];

		snprintf(left, sizeof(left), "%u", CHAIN - i);
		expect_program(exec, live_program("live_worker"),
			       (const char *const[]){"link", "chain", left, "33", NULL});
		EXPECT_EQUAL("exec_id", exec->process->exec_id, exec_id + i);
	}
	run_free(&run);
}

/* Runs `path` with argv under observation. */
static void run_program(struct run *run, const char *path, const char *const *argv)
{
	memset(run, 0, sizeof(*run));
	observe_start(&run->observation, NULL);
	workload_start(&run->workload, path, argv);
	workload_wait(&run->workload);
	observe_stop(&run->observation);
	tree_of(&run->observation, run->workload.pid, &run->tree);
}

static const struct procobsrv_event *the_exec(const struct run *run)
{
	return tree_one(&run->tree, PROCOBSRV_EXEC, (uint32_t)run->workload.pid);
}

static void script(void)
{
	const char *path = live_path("script");
	char text[8192];
	struct run run;
	const struct procobsrv_event *exec;

	snprintf(text, sizeof(text), "#!%s exit\n", live_program("live_worker"));
	live_write(path, text, 0755);
	/* The script's own path comes where a code is looked for: no number, so 0. */
	run_program(&run, path, (const char *const[]){"ignored", "one", "two", NULL});
	workload_expect_code(&run.workload, 0);
	expect_life(&run.tree, (uint32_t)run.workload.pid, 1, run.workload.status);
	exec = the_exec(&run);
	EXPECT_TEXT("script", exec->process->script, path);
	EXPECT_TEXT("interpreter", exec->process->interpreter, live_program("live_worker"));
	EXPECT_TEXT("filename", exec->process->filename, NULL);
	expect_program(
	    exec, live_program("live_worker"),
	    (const char *const[]){live_program("live_worker"), "exit", path, "one", "two", NULL});
	run_free(&run);
}

/* A program that is no script has neither script nor interpreter, its name told only if another. */
static void symbolic_link(void)
{
	const char *link = live_path("link");
	const char *const argv[] = {"linked", "exit", "3", NULL};
	struct run run;

	EXPECT(!symlink(live_program("live_worker"), link), "symlink: %s", strerror(errno));
	run_program(&run, link, argv);
	workload_expect_code(&run.workload, 3);
	expect_program(the_exec(&run), live_program("live_worker"), argv);
	EXPECT_TEXT("filename", the_exec(&run)->process->filename, link);
	EXPECT_TEXT("script", the_exec(&run)->process->script, NULL);
	EXPECT_TEXT("interpreter", the_exec(&run)->process->interpreter, NULL);
	run_free(&run);

	run_program(&run, NULL, argv);
	EXPECT_TEXT("filename", the_exec(&run)->process->filename, NULL);
	run_free(&run);
}

static void in_memory(void)
{
	struct run run;
	const struct procobsrv_event *exec;

	RUN(&run, "memfd", "21");
	workload_expect_code(&run.workload, 21);
	expect_life(&run.tree, (uint32_t)run.workload.pid, 2, run.workload.status);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	EXPECT(has_flag(exec, PROCOBSRV_PROCESS_MEMFD), "the flag \"memfd\" is not set");
	EXPECT(exec->process->exe && strstr(exec->process->exe, "memfd:live-program"),
	       "exe is \"%s\", without the name of the memfd", exec->process->exe);
	expect_program(exec, NULL, (const char *const[]){"in-memory", "exit", "21", NULL});
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 0);
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_MEMFD), "\"memfd\" is set for a file on disk");
	run_free(&run);
}

static void deleted(void)
{
	const char *path = live_path("nameless program");
	struct run run;
	const struct procobsrv_event *exec;

	RUN(&run, "deleted", path, "24");
	workload_expect_code(&run.workload, 24);
	expect_life(&run.tree, (uint32_t)run.workload.pid, 2, run.workload.status);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	EXPECT(has_flag(exec, PROCOBSRV_PROCESS_DELETED), "the flag \"deleted\" is not set");
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_MEMFD), "\"memfd\" is set for a file on disk");
	expect_program(exec, path, (const char *const[]){"nameless", "exit", "24", NULL});
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 0);
	EXPECT(!has_flag(exec, PROCOBSRV_PROCESS_DELETED), "\"deleted\" is set for a file");
	run_free(&run);
}

/* Paths are as the process's own root sees them. */
static void changed_root(void)
{
	struct run run;
	const char *root = live_path("root");
	char step[8192];

	EXPECT(!mkdir(root, 0755) && !mkdir(live_path("root/sub"), 0755), "mkdir");
	live_copy(live_program("live_worker"), live_path("root/sub/worker"), 0755);
	snprintf(step, sizeof(step), "chroot=%s", root);
	RUN(&run, "with", step, "chdir=/sub", "--", "/sub/worker", "exit", "5");
	workload_expect_code(&run.workload, 5);
	expect_program(tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1),
		       "/sub/worker", (const char *const[]){"/sub/worker", "exit", "5", NULL});
	EXPECT_TEXT("cwd",
		    tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1)->process->cwd,
		    "/sub");
	run_free(&run);
}

static void make_unrunnable(void)
{
	live_write(live_path("plain"), "#!/bin/sh\n", 0644);
	live_write(live_path("garbage"), "\x01\x02 no program\n", 0755);
}

static void failed_exec(void)
{
	static const char *const names[] = {"absent", "plain", "garbage", "plain/below"};
	static const char *const errors[] = {"ENOENT", "EACCES", "ENOEXEC", "ENOTDIR"};
	static const int numbers[] = {ENOENT, EACCES, ENOEXEC, ENOTDIR};
	struct run run;
	uint32_t pid;

	make_unrunnable();
	run_workload(&run, OBSERVE_FAILED,
		     (const char *const[]){"live_worker", "failing", live_directory(), NULL});
	workload_expect_code(&run.workload, 0);
	pid = (uint32_t)run.workload.pid;
	expect_life(&run.tree, pid, 1, run.workload.status);
	EXPECT_EQUAL("failed execs", tree_count(&run.tree, PROCOBSRV_EXEC_FAILED, pid), 8);
	for (size_t i = 0; i < 8; i++) {
		const struct procobsrv_event *event =
		    tree_at(&run.tree, PROCOBSRV_EXEC_FAILED, pid, i);
		const struct procobsrv_attempt *attempt = event->attempt;
		const char *name = names[i % 4];

		EXPECT_EQUAL("errno of the workload", run.workload.note->entries[i].status,
			     numbers[i % 4]);
		EXPECT(attempt, "no attempt");
		EXPECT_EQUAL("error", attempt->error, numbers[i % 4]);
		EXPECT_TEXT("error_name", attempt->error_name, errors[i % 4]);
		/* execveat() names it relative to a descriptor. */
		EXPECT_TEXT("path", attempt->path, i < 4 ? live_path("%s", name) : name);
		EXPECT_EQUAL("argc", attempt->argc, 3);
		EXPECT_TEXT("argv[1]", attempt->argv[1], name);
		EXPECT_TEXT("argv[2]", attempt->argv[2], "\x1b[31m");
		EXPECT(!attempt->argv[3], "argv is not ended by NULL");
		EXPECT_TEXT("exe", event->process->exe, live_program("live_worker"));
	}
	run_free(&run);
}

/* Without the request nothing hangs at the system calls, and nothing is told. */
static void failed_exec_not_asked(void)
{
	struct kernel_objects objects;
	struct observation plain = {0};
	struct observation asked = {0};
	struct workload workload;
	const char *place;
	struct tree tree;
	uint32_t links;
	uint32_t programs;

	make_unrunnable();
	observe_start(&plain, NULL);
	kernel_objects_of(getpid(), &objects);
	links = objects.link_count;
	programs = objects.program_count;
	EXPECT(links >= 3, "%u links of fork, exec and exit are held, not 3", links);
	place = kernel_objects_elsewhere(&objects);
	EXPECT(!place, "a program runs at %s though failed execs were not asked for", place);
	workload_start(&workload, NULL,
		       (const char *const[]){"live_worker", "failing", live_directory(), NULL});
	workload_wait(&workload);
	observe_stop(&plain);
	tree_of(&plain, workload.pid, &tree);
	EXPECT_EQUAL("events", tree.count, 3);

	observe_start_kinds(&asked, OBSERVE_FAILED);
	kernel_objects_of(getpid(), &objects);
	EXPECT(objects.link_count > links && kernel_objects_elsewhere(&objects),
	       "asked for failed execs, and no further program is attached");
	EXPECT(objects.program_count > programs,
	       "%u programs are loaded with the request as without", programs);
	observe_stop(&asked);
	tree_free(&tree);
	workload_free(&workload);
	observe_free(&plain);
	observe_free(&asked);
}

const struct live_test programs_tests[] = {
    {"exec_chain", exec_chain, 0},
    {"script", script, 0},
    {"symbolic_link", symbolic_link, 0},
    {"in_memory", in_memory, 0},
    {"deleted", deleted, 0},
    {"changed_root", changed_root, 0},
    {"failed_exec", failed_exec, 0},
    {"failed_exec_not_asked", failed_exec_not_asked, 0},
    {NULL, NULL, 0},
};
