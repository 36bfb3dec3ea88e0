/* SPDX-License-Identifier: MIT */
/* What ran before, and what begins while observation begins: no gap and no doubles. */
#include "names.h"
#include "observe.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RESIDENTS 50
#define ROUNDS	  10

/* What /proc says of one process. */
struct listed {
	uint32_t pid;
	unsigned long long start; /* ticks */
	bool kernel_thread;
	bool hidden; /* the system hides it even from root: then it need not be told */
};

static bool list_one(const char *name, struct listed *one)
{
	char path[300];
	char text[1024];
	char *rest;
	char state;
	unsigned flags;
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "/proc/%s/stat", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	rest = strrchr(text, ')');
	/* state ppid pgrp session tty tpgid flags, then 12 others before the start */
	if (!rest || sscanf(rest + 2,
			    "%c %*d %*d %*d %*d %*d %u %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			    "%*s %*s %llu",
			    &state, &flags, &one->start) != 3)
		return false;
	one->pid = (uint32_t)strtoul(name, NULL, 10);
	one->kernel_thread = flags & 0x00200000; /* PF_KTHREAD */
	snprintf(path, sizeof(path), "/proc/%s/ns/pid", name);
	one->hidden = readlink(path, text, sizeof(text)) < 0 && errno == EACCES;
	/* One on its way out is not told, and may take a while. */
	return state != 'Z' && state != 'X' && !(flags & 0x00000004 /* PF_EXITING */);
}

static struct listed *list_processes(size_t *count)
{
	struct listed *all = must_allocate(65536, sizeof(*all));
	DIR *folder = opendir("/proc");
	const struct dirent *entry;

	*count = 0;
	EXPECT(folder, "/proc cannot be read");
	while ((entry = readdir(folder)) && *count < 65536)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    list_one(entry->d_name, &all[*count]))
			(*count)++;
	closedir(folder);
	return all;
}

static bool listed_in(const struct listed *all, size_t count, const struct listed *one)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].pid == one->pid && all[i].start == one->start)
			return true;
	return false;
}

static size_t existing_of(const struct observation *observation, uint32_t pid,
			  const struct procobsrv_event **found)
{
	size_t count = 0;

	for (size_t i = 0; i < observation->count; i++) {
		const struct procobsrv_event *event = observation->events[i];

		if (event->kind != PROCOBSRV_EXISTING || event->process->pid != pid)
			continue;
		*found = event;
		count++;
	}
	return count;
}

static void start_with_existing(struct observation *observation, uint32_t flags)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .kinds = PROCOBSRV_KINDS_DEFAULT | OBSERVE_EXISTING,
	    .flags = flags,
	};

	observe_start(observation, &options);
}

/* Every process of the machine that lives before and after the start is told once. */
static void expect_all_told(uint32_t flags)
{
	struct observation observation = {0};
	const struct procobsrv_event *event = NULL;
	struct listed *before;
	struct listed *after;
	size_t before_count;
	size_t after_count;

	before = list_processes(&before_count);
	start_with_existing(&observation, flags);
	after = list_processes(&after_count);
	observe_stop(&observation);
	for (size_t i = 0; i < before_count; i++) {
		bool unasked = before[i].kernel_thread && !(flags & PROCOBSRV_KERNEL_THREADS);
		size_t told = existing_of(&observation, before[i].pid, &event);

		if (!listed_in(after, after_count, &before[i]))
			continue;
		EXPECT(told == !unasked || (before[i].hidden && !told),
		       "the process %u%s was told %zu times", before[i].pid,
		       before[i].kernel_thread ? " (a thread of the kernel)" : "", told);
		if (told)
			EXPECT(!has_flag(event, PROCOBSRV_PROCESS_KERNEL_THREAD) ==
				   !before[i].kernel_thread,
			       "the flag \"kernel thread\" of %u is wrong", before[i].pid);
	}
	free(before);
	free(after);
	observe_free(&observation);
}

static void every_process(void)
{
	expect_all_told(0);
	expect_all_told(PROCOBSRV_KERNEL_THREADS);
}

/* All is known but by which name it was called: that is told at an exec only. */
static void expect_resident(const struct procobsrv_event *event, const char *const *argv)
{
	const struct procobsrv_process *process = event->process;
	char directory[4096];

	EXPECT(process->missing_count == 1, "%zu fields of a resident are missing, not 1",
	       process->missing_count);
	EXPECT_TEXT("the missing field", process->missing[0].field, "filename");
	EXPECT_TEXT("why it is missing", process->missing[0].reason, "not taken");
	EXPECT_TEXT("exe", process->exe, live_program("live_worker"));
	EXPECT(getcwd(directory, sizeof(directory)), "getcwd");
	EXPECT_TEXT("cwd", process->cwd, directory);
	for (size_t i = 0; argv[i]; i++) {
		EXPECT(i < process->argc, "argc is %zu", process->argc);
		EXPECT_TEXT("an argument", process->argv[i], argv[i]);
	}
}

/* What ran before is known by program, arguments and credentials, and its exit bears them. */
static void residents(void)
{
	static const char *const argv[] = {"resident", "stay", "9", "with\nargument", NULL};
	struct observation observation = {0};
	struct workload workloads[RESIDENTS];
	const struct procobsrv_event *event = NULL;

	for (int i = 0; i < RESIDENTS; i++)
		workload_start(&workloads[i], NULL, argv);
	for (int i = 0; i < RESIDENTS; i++)
		workload_wait_stage(&workloads[i], 1);
	start_with_existing(&observation, 0);
	for (int i = 0; i < RESIDENTS; i++)
		workload_permit(&workloads[i], 1);
	for (int i = 0; i < RESIDENTS; i++)
		workload_wait(&workloads[i]);
	observe_stop(&observation);
	for (int i = 0; i < RESIDENTS; i++) {
		uint32_t pid = (uint32_t)workloads[i].pid;
		const struct procobsrv_event *end = NULL;

		EXPECT_EQUAL("times that it was told", existing_of(&observation, pid, &event), 1);
		expect_resident(event, argv);
		EXPECT_EQUAL("uid", event->process->uid, getuid());
		EXPECT_EQUAL("parent", event->parent ? event->parent->pid : 0, getpid());
		EXPECT(event->process->start_boot_ns >= workloads[i].before_ns &&
			   event->process->start_boot_ns <= workloads[i].forked_ns,
		       "start_boot_ns is not when it was forked");
		for (size_t j = 0; j < observation.count; j++)
			if (observation.events[j]->kind == PROCOBSRV_EXIT &&
			    !strcmp(observation.events[j]->process->id, event->process->id))
				end = observation.events[j];
		EXPECT(end, "the exit of resident %u was not told", pid);
		expect_resident(end, argv);
		expect_status(end, workloads[i].status);
		workload_free(&workloads[i]);
	}
	observe_free(&observation);
}

/* Far more arguments than an observer could hand over at once. */
#define LONG_ARGUMENTS 8
#define LONG_SIZE      130000

static void long_resident(void)
{
	static char long_argument[LONG_SIZE + 1];
	const char *argv[3 + LONG_ARGUMENTS + 1] = {"resident", "stay", "9"};
	struct observation observation = {0};
	const struct procobsrv_event *event = NULL;
	struct workload workload;

	memset(long_argument, 'x', LONG_SIZE);
	for (int i = 0; i < LONG_ARGUMENTS; i++)
		argv[3 + i] = long_argument;
	workload_start(&workload, NULL, argv);
	workload_wait_stage(&workload, 1);
	start_with_existing(&observation, 0);
	workload_permit(&workload, 1);
	workload_wait(&workload);
	observe_stop(&observation);
	EXPECT_EQUAL("times that it was told",
		     existing_of(&observation, (uint32_t)workload.pid, &event), 1);
	expect_resident(event, argv);
	EXPECT_EQUAL("argc", event->process->argc, 3 + LONG_ARGUMENTS);
	workload_free(&workload);
	observe_free(&observation);
}

/* Counts of what was told of one pid with a start between two times. */
struct told {
	size_t existing;
	size_t start;
	size_t exec;
	size_t exit;
	uint32_t code;
};

static struct told told_of(const struct observation *observation, const struct note_entry *child)
{
	struct told told = {0};

	for (size_t i = 0; i < observation->count; i++) {
		const struct procobsrv_event *event = observation->events[i];

		if (!event->process || event->process->pid != child->pid ||
		    event->process->start_boot_ns < child->from_ns ||
		    event->process->start_boot_ns > child->made_ns)
			continue;
		told.existing += event->kind == PROCOBSRV_EXISTING;
		told.start += event->kind == PROCOBSRV_START;
		told.exec += event->kind == PROCOBSRV_EXEC;
		told.exit += event->kind == PROCOBSRV_EXIT;
		if (event->kind == PROCOBSRV_EXIT)
			told.code = event->exit->code;
	}
	return told;
}

static void check_child(const struct observation *observation, uint64_t began_ns,
			const struct note_entry *child)
{
	struct told told = told_of(observation, child);
	uint64_t returned_ns = observation->started_ns;
	bool after = child->from_ns > returned_ns;
	bool through = child->made_ns < began_ns && child->to_ns > returned_ns;
	bool across = child->to_ns > returned_ns;

	EXPECT(told.existing + told.start <= 1,
	       "child %u was told %zu times as existing, %zu as "
	       "started",
	       child->pid, told.existing, told.start);
	if (after)
		EXPECT(told.start == 1 && told.existing == 0,
		       "child %u began after procobsrv_start() and was told %zu times as started, "
		       "%zu as existing",
		       child->pid, told.start, told.existing);
	if (through)
		EXPECT(told.existing == 1,
		       "child %u lived through procobsrv_start() and was told "
		       "%zu times as existing, %zu as started",
		       child->pid, told.existing, told.start);
	if (!across)
		return;
	EXPECT(told.existing + told.start == 1,
	       "child %u, which lived on when procobsrv_start() "
	       "returned, was not told",
	       child->pid);
	EXPECT(told.exec == child->value % 2, "%zu execs of child %u were told, not %u", told.exec,
	       child->pid, child->value % 2);
	EXPECT(told.exit == 1, "%zu exits of child %u were told, not 1", told.exit, child->pid);
	EXPECT_EQUAL("code", told.code, child->value % 200);
}

static void storm_at_the_start(void)
{
	for (unsigned round = 0; round < live_rounds(ROUNDS); round++) {
		struct observation observation = {0};
		struct workload workload;
		uint64_t began_ns;
		uint32_t count;
		uint32_t after = 0;

		workload_start(&workload, NULL,
			       (const char *const[]){"live_worker", "storm", NULL});
		workload_wait_stage(&workload, 1);
		live_sleep_ms(10);
		began_ns = live_boot_ns();
		start_with_existing(&observation, 0);
		count = workload.note->count;
		while (workload.note->count < count + 100)
			live_sleep_ms(1);
		workload_permit(&workload, 1);
		workload_wait(&workload);
		workload_expect_code(&workload, 0);
		observe_stop(&observation);
		count = workload.note->count;
		for (uint32_t i = 0; i < count; i++) {
			check_child(&observation, began_ns, &workload.note->entries[i]);
			after += workload.note->entries[i].from_ns > observation.started_ns;
		}
		EXPECT(after > 20 && count > after, "of %u children %u began after the start",
		       count, after);
		workload_free(&workload);
		observe_free(&observation);
	}
}

const struct live_test existing_tests[] = {
    {"every_process", every_process, 0},
    {"long_resident", long_resident, 0},
    {"residents", residents, 0},
    {"storm_at_the_start", storm_at_the_start, 120},
    {NULL, NULL, 0},
};
