/* SPDX-License-Identifier: MIT */
/* Threads are not processes, whichever of them leads, leaves or runs a program. */
#include "observe.h"

#include <stdio.h>
#include <string.h>

/* No process of the tree bears the id of a thread. */
static void expect_no_threads(const struct run *run, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		uint32_t id = run->workload.note->entries[i].pid;

		EXPECT(id != 0 && id != (uint32_t)run->workload.pid,
		       "the workload wrote no thread id");
		for (size_t j = 0; j < run->tree.count; j++)
			EXPECT(run->tree.events[j]->process->pid != id, "thread %u was told as %s",
			       id, procobsrv_kind_name(run->tree.events[j]->kind));
	}
}

static void exec_by_thread(void)
{
	struct run run;
	const struct procobsrv_event *exec;

	RUN(&run, "thread_exec", "22");
	workload_expect_code(&run.workload, 22);
	expect_life(&run.tree, (uint32_t)run.workload.pid, 2, run.workload.status);
	EXPECT_EQUAL("events of the tree", run.tree.count, 4);
	exec = tree_at(&run.tree, PROCOBSRV_EXEC, (uint32_t)run.workload.pid, 1);
	expect_program(exec, live_program("live_worker"),
		       (const char *const[]){"by-a-thread", "exit", "22", NULL});
	expect_no_threads(&run, 0, 5);
	run_free(&run);
}

static void leader_leaves(const char *leader, const char *last, const char *how)
{
	struct run run;
	const struct procobsrv_event *exit;

	RUN(&run, "leader_exit", leader, last, how);
	exit = expect_life(&run.tree, (uint32_t)run.workload.pid, 1, run.workload.status);
	EXPECT_EQUAL("events of the tree", run.tree.count, 3);
	EXPECT(exit->boot_ns >= run.workload.note->entries[0].to_ns,
	       "the exit was told when the leader left, before the last thread did");
	EXPECT(exit->exit->duration_ns >= 150000000u, "duration %llu ns is the leader's",
	       (unsigned long long)exit->exit->duration_ns);
	run_free(&run);
}

static void leader_exit(void)
{
	leader_leaves("0", "0", "thread");
	leader_leaves("0", "9", "group");
	leader_leaves("0", "15", "kill");
}

static void leader_exit_codes(void)
{
	leader_leaves("5", "7", "thread");
	leader_leaves("5", "7", "group");
	leader_leaves("5", "9", "kill");
}

static void exits_at_once(void)
{
	unsigned rounds = live_scaled(1000);
	char number[16];
	struct run run;
	uint32_t count;

	snprintf(number, sizeof(number), "%u", rounds);
	RUN(&run, "exits_at_once", number);
	workload_expect_code(&run.workload, 0);
	count = run.workload.note->count;
	EXPECT_EQUAL("children", count, rounds);
	for (uint32_t i = 0; i < count; i++) {
		const struct note_entry *entry = &run.workload.note->entries[i];

		expect_life(&run.tree, entry->pid, 0, entry->status);
	}
	EXPECT_EQUAL("events of the tree", run.tree.count, 2 * count + 3);
	EXPECT_EQUAL("repeats that an old kernel told", run.observation.statistics.repeats, 0);
	run_free(&run);
}

static void thousand_threads(void)
{
	struct run run;

	RUN(&run, "threads", "1000");
	workload_expect_code(&run.workload, 0);
	EXPECT_EQUAL("threads", run.workload.note->count, 1000);
	expect_life(&run.tree, (uint32_t)run.workload.pid, 1, run.workload.status);
	EXPECT_EQUAL("events of the tree", run.tree.count, 3);
	expect_no_threads(&run, 0, 1000);
	run_free(&run);
}

const struct live_test threads_tests[] = {
    {"exec_by_thread", exec_by_thread, 0},	 {"leader_exit", leader_exit, 0},
    {"leader_exit_codes", leader_exit_codes, 0}, {"exits_at_once", exits_at_once, 0},
    {"thousand_threads", thousand_threads, 0},	 {NULL, NULL, 0},
};
