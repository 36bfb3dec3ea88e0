/* SPDX-License-Identifier: MIT */
/* What a program is called with, and where. */
#include "names.h"
#include "observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Runs live_worker with exactly this argv, and expects to be told exactly this. */
static void expect_told(const char *const *argv, int code)
{
	struct observation observation = {0};
	struct workload workload;
	struct tree tree;

	observe_start(&observation, NULL);
	workload_start(&workload, NULL, argv);
	workload_wait(&workload);
	workload_expect_code(&workload, code);
	observe_stop(&observation);
	tree_of(&observation, workload.pid, &tree);
	expect_life(&tree, (uint32_t)workload.pid, 1, workload.status);
	expect_program(tree_one(&tree, PROCOBSRV_EXEC, (uint32_t)workload.pid),
		       live_program("live_worker"), argv);
	/* The process at its end is still that one. */
	expect_program(tree_one(&tree, PROCOBSRV_EXIT, (uint32_t)workload.pid),
		       live_program("live_worker"), argv);
	tree_free(&tree);
	workload_free(&workload);
	observe_free(&observation);
}

static void odd_bytes(void)
{
	expect_told(
	    (const char *const[]){"exit", "exit", "0", "two\nlines\n", "\r\n", "tab\t", NULL}, 0);
	expect_told((const char *const[]){"\x1b[31mred\x1b[0m", "exit", "0", "\x1b]0;title\x07",
					  "\x01\x02\x7f", "\xc2\x9b", NULL},
		    0);
	expect_told((const char *const[]){"exit", "exit", "0", "\xff\xfe", "\xc3", "\xed\xa0\x80",
					  "\xf5\x80\x80\x80", "half \xe2\x82", NULL},
		    0);
	expect_told((const char *const[]){"exit", "exit", "0", "\"quoted\"", "back\\slash", "'",
					  "$HOME `x`", "\xe2\x80\xae rtl", "\xf0\x9f\x90\xa7",
					  NULL},
		    0);
}

static void empty_arguments(void)
{
	expect_told((const char *const[]){"", "exit", "7", "", "", "x", "", NULL}, 7);
	expect_told((const char *const[]){"exit", "exit", "8", "", NULL}, 8);
}

/* A kernel from 5.18 on makes one empty argument of none. */
static void empty_vector(void)
{
	static const char *const nothing[] = {NULL};
	struct observation observation = {0};
	struct workload workload;
	struct tree tree;
	const struct procobsrv_event *exec;

	observe_start(&observation, NULL);
	workload_start(&workload, NULL, nothing);
	workload_wait(&workload);
	observe_stop(&observation);
	tree_of(&observation, workload.pid, &tree);
	exec = tree_one(&tree, PROCOBSRV_EXEC, (uint32_t)workload.pid);
	EXPECT(WIFEXITED(workload.status), "the workload did not exit");
	EXPECT_EQUAL("argc", exec->process->argc, WEXITSTATUS(workload.status) - 40);
	if (exec->process->argc)
		EXPECT_TEXT("argv[0]", exec->process->argv[0], "");
	EXPECT(exec->process->argv && !exec->process->argv[exec->process->argc],
	       "argv is absent or not ended by NULL");
	tree_free(&tree);
	workload_free(&workload);
	observe_free(&observation);
}

/* `count` arguments of this many bytes each. */
static void many_arguments(size_t count, size_t length)
{
	const char **argv = must_allocate(count + 4, sizeof(*argv));

	argv[0] = "exit";
	argv[1] = "exit";
	argv[2] = "11";
	for (size_t i = 0; i < count; i++) {
		char *text = must_allocate(length + 1, 1);

		memset(text, 'a' + (int)(i % 26), length);
		argv[3 + i] = text;
	}
	expect_told(argv, 11);
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)argv[3 + i]);
	free(argv);
}

static void thousand_arguments(void)
{
	many_arguments(1000, 20);
	many_arguments(1000, 1);
}

/* The most that the kernel takes in one argument (128 KiB, its NUL included). */
static void long_argument(void)
{
	many_arguments(1, 131071);
	many_arguments(3, 100000);
}

/* More than fits any one record of the observer. */
static void long_vector(void)
{
	many_arguments(14, 131071);
	many_arguments(100000, 0);
}

static void deep_directory(void)
{
	struct run run;
	char step[8192];
	const struct procobsrv_event *exec;

	snprintf(step, sizeof(step), "chdir=%s", live_directory());
	RUN(&run, "with", step, "deep=60", "--", live_program("live_worker"), "facts", "6");
	workload_expect_code(&run.workload, 6);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	EXPECT(strlen(run.workload.note->facts.cwd) > 60 * 18, "the workload's cwd is short");
	expect_facts(exec, &run.workload.note->facts);
	run_free(&run);
}

const struct live_test arguments_tests[] = {
    {"odd_bytes", odd_bytes, 0},	   {"empty_arguments", empty_arguments, 0},
    {"empty_vector", empty_vector, 0},	   {"thousand_arguments", thousand_arguments, 0},
    {"long_argument", long_argument, 0},   {"long_vector", long_vector, 0},
    {"deep_directory", deep_directory, 0}, {NULL, NULL, 0},
};
