/* SPDX-License-Identifier: MIT */
/* Programs without the driver: in a job, and by looking now and then. */
#include "library_tests.h"

#include "windows/job.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN 30

struct tree {
	volatile LONG starts;
	volatile LONG exits;
	volatile LONG lost;
	volatile LONG nameless;
	volatile LONG strangers; /* whose start was not told */
	volatile LONG statuses;	 /* exits whose code is the child's number */
	uint32_t pids[CHILDREN + 8];
};

static void count_tree(const struct procobsrv_event *event, void *param)
{
	struct tree *tree = param;
	LONG known = tree->starts;

	if (event->kind == PROCOBSRV_LOST) {
		tree->lost += (LONG)event->lost->count;
	} else if (event->kind == PROCOBSRV_START) {
		if (known < CHILDREN + 8)
			tree->pids[known] = event->process->pid;
		tree->starts++;
		if (!event->process->exe)
			tree->nameless++;
	} else if (event->kind == PROCOBSRV_EXIT) {
		bool found = false;
		for (LONG i = 0; i < known && i < CHILDREN + 8; i++)
			found |= tree->pids[i] == event->process->pid;
		tree->exits++;
		tree->strangers += !found;
		if (event->exit->has_status && event->exit->code > 100)
			tree->statuses++;
	}
}

static struct procobsrv *start(struct tree *tree, const char *backend)
{
	const struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {count_tree, tree},
	    .backend = backend,
	    .root_pid = GetCurrentProcessId(),
	};
	struct procobsrv *monitor;

	check(!procobsrv_open(&options, &monitor), "no monitor: %s", procobsrv_explain());
	if (check(!procobsrv_start(monitor), "not started: %s", procobsrv_explain()))
		return monitor;
	procobsrv_close(monitor);
	return NULL;
}

static void run(struct job *job, const wchar_t *command, DWORD limit_ms)
{
	STARTUPINFOW startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION information;
	wchar_t line[512];

	wcscpy(line, command);
	int error = job_start(job, NULL, line, false, 0, &startup, &information);
	if (!check(!error, "not started: error %d", error))
		return;
	check(WaitForSingleObject(job_ended_event(job), limit_ms) == WAIT_OBJECT_0,
	      "the tree does not end");
	CloseHandle(information.hThread);
	CloseHandle(information.hProcess);
}

/* Each child that could be met is told with its name, its exit code, and nothing twice. */
void test_job(void)
{
	struct tree tree = {0};
	struct job *job;
	int error = job_create(0, &job);
	struct procobsrv *monitor;

	if (!check(!error, "no job: error %d", error))
		return;
	check(job_create(0, &(struct job *){NULL}) == ERROR_ALREADY_EXISTS, "there are two jobs");
	if ((monitor = start(&tree, "job"))) {
		run(job, L"cmd /c for /l %i in (101,1,130) do cmd /c exit %i", 60000);
		procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
		check(tree.starts + tree.lost / 2 == CHILDREN + 1, "%ld starts, %ld lost",
		      tree.starts, tree.lost);
		check(tree.exits == tree.starts, "%ld exits of %ld", tree.exits, tree.starts);
		check(tree.strangers == 0, "%ld ended that did not start", tree.strangers);
		/* That of the shell is its last child's. Who is gone before the job's thread comes
		 * to it, as on a busy machine, has neither name nor code. */
		check(tree.statuses + tree.nameless >= tree.exits, "%ld of %ld codes",
		      tree.statuses, tree.exits);
		check(tree.statuses > CHILDREN / 2, "only %ld codes", tree.statuses);
		note("%ld of %ld without a name, %ld lost", tree.nameless, tree.starts, tree.lost);
		procobsrv_close(monitor);
	}
	job_close(job);
}

/* Those whose parent has ended belong to the tree still; after one tree comes another. */
void test_job_tree(void)
{
	struct tree tree = {0};
	struct job *job;
	struct procobsrv *monitor;

	monitor = NULL;
	if (!check(!job_create(0, &job), "no job"))
		return;
	if ((monitor = start(&tree, "job"))) {
		run(job, L"cmd /c start /b cmd /c \"ping -n 2 127.0.0.1 > nul & exit 103\"", 60000);
		/* The job has ended; its last events may be on their way. */
		for (int tries = 0; tries < 500 && (tree.exits < 3 || tree.exits < tree.starts);
		     tries++)
			Sleep(20);
		check(tree.starts >= 3 && tree.exits == tree.starts, "%ld starts and %ld exits",
		      tree.starts, tree.exits);
		LONG before = tree.starts;
		run(job, L"cmd /c exit 104", 60000);
		procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
		check(tree.starts == before + 1, "%ld more starts", tree.starts - before);
		check(tree.exits == tree.starts, "%ld exits of %ld", tree.exits, tree.starts);
		procobsrv_close(monitor);
	}
	job_close(job);
	/* Without a job there is nothing to follow. */
	const struct procobsrv_options options = {
	    .size = sizeof(options), .backend = "job", .root_pid = GetCurrentProcessId()};
	if (check(!procobsrv_open(&options, &monitor), "no monitor")) {
		check(procobsrv_start(monitor) == PROCOBSRV_ERROR_UNSUPPORTED,
		      "a job that is closed is followed");
		procobsrv_close(monitor);
	}
}

/* A shell of so many seconds, seen by samples. True: it was, and its console's process too. */
static bool sample_shell(struct tree *tree, int seconds)
{
	struct procobsrv *monitor = start(tree, "snapshot");
	STARTUPINFOW startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION information;
	wchar_t line[64];

	if (!monitor)
		return false;
	check(strstr(procobsrv_backend_limits(monitor), "samples") != NULL,
	      "it does not say that it samples: %s", procobsrv_backend_limits(monitor));
	_snwprintf(line, 64, L"cmd /c ping -n %d 127.0.0.1 > nul & exit 105", seconds + 1);
	if (check(CreateProcessW(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
				 &information),
		  "not started: error %lu", GetLastError())) {
		WaitForSingleObject(information.hProcess, 60000);
		for (int tries = 0; tries < 250 && tree->exits < 2; tries++)
			Sleep(20);
		CloseHandle(information.hThread);
		CloseHandle(information.hProcess);
	}
	procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	procobsrv_close(monitor);
	return tree->starts >= 2 && tree->exits == tree->starts && !tree->nameless &&
	       tree->statuses == 1;
}

void test_snapshot(void)
{
	struct tree tree = {0};
	int seconds = 3;

	/* Samples are rare on a busy machine. */
	while (!sample_shell(&tree, seconds) && seconds < 27) {
		tree = (struct tree){0};
		seconds *= 3;
	}
	/* Wine gives the shell a process for its console. */
	check(tree.starts >= 2 && tree.exits == tree.starts, "%ld starts and %ld exits",
	      tree.starts, tree.exits);
	check(tree.nameless == 0 && tree.strangers == 0, "%ld nameless, %ld strangers",
	      tree.nameless, tree.strangers);
	check(tree.statuses == 1, "%ld of the codes are the shell's", tree.statuses);
}
