/* SPDX-License-Identifier: MIT */
/* Every way to make a process, and who its parent is. */
#include "observe.h"

#include <string.h>
#include <sys/stat.h>

/* The parent of an event, and that another process did (or did not) create it. */
static void expect_parent(const struct procobsrv_event *event, uint32_t parent, uint32_t creator)
{
	EXPECT(event->parent, "%s of pid %u has no parent", procobsrv_kind_name(event->kind),
	       event->process->pid);
	EXPECT_EQUAL("parent", event->parent->pid, parent);
	EXPECT_EQUAL("ppid", event->process->ppid, parent);
	EXPECT(!event->creator == !creator, "a creator is %s",
	       creator ? "not told" : "told, though it is the parent");
	if (creator)
		EXPECT_EQUAL("creator", event->creator->pid, creator);
}

static const char *id_of(const struct tree *tree, uint32_t pid)
{
	return tree_one(tree, PROCOBSRV_START, pid)->process->id;
}

static void every_way(void)
{
	struct run run;
	const struct note *note;
	uint32_t self;

	RUN(&run, "create", "all");
	workload_expect_code(&run.workload, 0);
	note = run.workload.note;
	self = (uint32_t)run.workload.pid;
	EXPECT_EQUAL("children", note->count, 10);
	for (uint32_t i = 0; i < note->count; i++) {
		const struct note_entry *entry = &note->entries[i];
		/* vfork and exec, posix_spawn */
		size_t execs = i == 2 || i == 6;
		const struct procobsrv_event *start;

		expect_life(&run.tree, entry->pid, execs, entry->status);
		start = tree_one(&run.tree, PROCOBSRV_START, entry->pid);
		expect_parent(start, self, entry->value);
		EXPECT_TEXT("parent's id", start->parent->id, id_of(&run.tree, self));
		if (entry->value)
			EXPECT_TEXT("creator's id", start->creator->id,
				    id_of(&run.tree, entry->value));
	}
	expect_program(tree_one(&run.tree, PROCOBSRV_EXEC, note->entries[2].pid), NULL,
		       (const char *const[]){"after-vfork", "exit", "12", NULL});
	expect_program(tree_one(&run.tree, PROCOBSRV_EXEC, note->entries[6].pid), NULL,
		       (const char *const[]){"spawned", "exit", "15", NULL});
	EXPECT_EQUAL("events of the tree", run.tree.count, 3 + 10 * 2 + 2);
	run_free(&run);
}

/* The child of the orphan's parent that left is ours at its exit. */
static void orphan(void)
{
	struct run run;
	const struct note_entry *entry;
	const struct procobsrv_event *exit;
	uint32_t self;

	RUN(&run, "orphan");
	workload_expect_code(&run.workload, 0);
	self = (uint32_t)run.workload.pid;
	entry = &run.workload.note->entries[1];
	exit = expect_life(&run.tree, entry->pid, 0, entry->status);
	expect_parent(tree_one(&run.tree, PROCOBSRV_START, entry->pid), entry->value, 0);
	expect_parent(exit, self, 0);
	EXPECT_TEXT("parent's id at exit", exit->parent->id, id_of(&run.tree, self));
	run_free(&run);
}

/* A child of clone3(CLONE_INTO_CGROUP) never was in its parent's group. */
static void into_cgroup(void)
{
	const char *group = live_cgroup();
	const struct procobsrv_event *start;
	struct stat status;
	struct run run;

	EXPECT(!stat(group, &status), "stat %s", group);
	RUN(&run, "create", "cgroup", group);
	workload_expect_code(&run.workload, 0);
	start = tree_one(&run.tree, PROCOBSRV_START, run.workload.note->entries[0].pid);
	EXPECT(start->process->present & PROCOBSRV_HAS_CGROUP, "cgroup_id is absent");
	EXPECT_EQUAL("cgroup_id", start->process->cgroup_id, status.st_ino);
	run_free(&run);
}

/* With root_pid only what descends from it is told, and all of that. */
static void root_pid(void)
{
	struct procobsrv_options options = {.size = sizeof(options)};
	struct observation all = {0};
	struct observation own = {0};
	struct workload stranger;
	struct workload workload;
	struct tree tree;
	size_t execs;

	workload_start(&workload, NULL,
		       (const char *const[]){"live_worker", "with", "fork", "--",
					     live_program("live_worker"), "stay", "3", NULL});
	workload_wait_stage(&workload, 1);
	options.root_pid = (uint32_t)workload.pid;
	observe_start(&own, &options);
	observe_start(&all, NULL);
	workload_start(&stranger, NULL,
		       (const char *const[]){"live_worker", "create", "all", NULL});
	workload_wait(&stranger);
	workload_permit(&workload, 1);
	workload_wait(&workload);
	observe_stop(&all);
	observe_stop(&own);
	tree_of(&all, stranger.pid, &tree);
	EXPECT(tree.count == 25, "the stranger itself was not told whole");
	for (size_t i = 0; i < own.count; i++)
		EXPECT(own.events[i]->process->pid != (uint32_t)workload.pid,
		       "%s of root_pid itself was told", procobsrv_kind_name(own.events[i]->kind));
	EXPECT_EQUAL("events below root_pid", own.count, 1);
	EXPECT_EQUAL("kind", own.events[0]->kind, PROCOBSRV_EXIT);
	EXPECT_EQUAL("pid", own.events[0]->process->pid, workload.note->entries[0].pid);
	expect_status(own.events[0], workload.note->entries[0].status);
	execs = tree_count(&tree, PROCOBSRV_EXEC, 0);
	EXPECT_EQUAL("execs of the stranger", execs, 3);
	tree_free(&tree);
	observe_free(&all);
	observe_free(&own);
	workload_free(&workload);
	workload_free(&stranger);
}

const struct live_test creation_tests[] = {
    {"every_way", every_way, 0}, {"orphan", orphan, 0}, {"into_cgroup", into_cgroup, 0},
    {"root_pid", root_pid, 0},	 {NULL, NULL, 0},
};
