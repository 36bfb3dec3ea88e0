/* SPDX-License-Identifier: MIT */
/*
 * live_allocation [SCENARIO]: opens, starts, uses, stops and closes a monitor over and over, each
 * time with another allocation failing, until all of them have failed once. Then there was a clear
 * error or nothing worse than events that were told as lost; and nothing leaks.
 *
 * PROCOBSRV_LIVE_ALLOCATIONS=all takes every single one; else those with high numbers are sampled.
 */
#include "failing.h"
#include "procobsrv.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the program that reports, which outlives a crash. */
static struct progress {
	unsigned long number;  /* of the allocation that fails */
	unsigned long refused; /* by open or start */
	unsigned long worked;  /* though an allocation failed */
	char why[1024];
} * progress;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(progress->why, sizeof(progress->why), format, arguments);
	va_end(arguments);
	_exit(1);
}

static unsigned entries(const char *path)
{
	unsigned count = 0;
	DIR *folder = opendir(path);

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

#define PROCESSES 5

/* Makes a few processes with something to remember. */
static void make_processes(void)
{
	static const char *const argv[] = {"true", "one", "two", NULL};
	static const char *const environment[] = {"WANTED=yes", "OTHER=no", NULL};

	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (!pid) {
			execve("/bin/true", (char *const *)argv, (char *const *)environment);
			_exit(127);
		}
		waitpid(pid, NULL, 0);
	}
}

struct told {
	unsigned of_children;
	unsigned long lost;
	unsigned long texts;
};

static void on_event(const struct procobsrv_event *event, void *param)
{
	struct told *told = param;
	char line[4096];

	if (event->process && event->kind != PROCOBSRV_EXISTING)
		told->of_children += event->process->ppid == (uint32_t)getpid();
	if (event->lost)
		told->lost += event->lost->count;
	told->texts += procobsrv_format(event, PROCOBSRV_FORMAT_JSON, line, sizeof(line)) > 0;
	procobsrv_event_unref(procobsrv_event_ref(event));
}

static int visit(const struct procobsrv_process *process, void *param)
{
	*(unsigned *)param += process->argc != 0;
	return 0;
}

static void inquire(struct procobsrv *monitor)
{
	const struct procobsrv_process *process;
	struct procobsrv_statistics statistics;
	unsigned count = 0;
	int error = procobsrv_visit(monitor, visit, &count);

	if (error && error != PROCOBSRV_ERROR_MEMORY)
		fail("visit: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	if (!procobsrv_find(monitor, (uint32_t)getpid(), &process))
		procobsrv_process_unref(process);
	procobsrv_statistics(monitor, &statistics, sizeof(statistics));
}

static void pull(struct procobsrv *monitor, struct told *told)
{
	const struct procobsrv_event *event;
	int error;

	while (!(error = procobsrv_next(monitor, 100, &event)))
		on_event(event, told);
	if (error != PROCOBSRV_ERROR_TIMEOUT && error != PROCOBSRV_ERROR_ENDED &&
	    error != PROCOBSRV_ERROR_MEMORY)
		fail("next: %s: %s", procobsrv_strerror(error), procobsrv_explain());
}

static void expect_memory_error(int error, const char *call)
{
	if (error != PROCOBSRV_ERROR_MEMORY)
		fail("%s: %s (%s) instead of out of memory", call, procobsrv_strerror(error),
		     procobsrv_explain());
	if (!procobsrv_explain()[0])
		fail("%s: no explanation", call);
	progress->refused++;
}

static void use(struct procobsrv *monitor, bool pulls, struct told *told)
{
	struct procobsrv_statistics all;
	int error;

	make_processes();
	if (pulls)
		pull(monitor, told);
	inquire(monitor);
	error = procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	if (error && error != PROCOBSRV_ERROR_STATE && error != PROCOBSRV_ERROR_MEMORY)
		fail("stop: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	if (pulls)
		pull(monitor, told);
	if (procobsrv_statistics(monitor, &all, sizeof(all)))
		fail("statistics: %s", procobsrv_explain());
	if (all.observed != all.delivered + all.filtered + all.lost + all.pending)
		fail("observed %llu is not delivered %llu + filtered %llu + lost %llu + "
		     "pending %llu",
		     (unsigned long long)all.observed, (unsigned long long)all.delivered,
		     (unsigned long long)all.filtered, (unsigned long long)all.lost,
		     (unsigned long long)all.pending);
	if (told->lost != all.lost)
		fail("%lu events were told as lost, but %llu were", told->lost,
		     (unsigned long long)all.lost);
	if (!all.lost && !all.pending && told->of_children != 3 * PROCESSES)
		fail("%u events of our children and nothing lost", told->of_children);
}

/* One life of a monitor. True: it went through. */
static bool live_once(bool pulls)
{
	static const char *const names[] = {"WANTED", NULL};
	struct told told = {0};
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .kinds = PROCOBSRV_KINDS_ALL,
	    .match = "process.pid != 0 || kind == \"lost\"",
	    .env = names,
	    .spill_directory = "/tmp",
	};
	struct procobsrv *monitor;
	int error;

	if (!pulls) {
		options.handler.on_event = on_event;
		options.handler.param = &told;
	}
	error = procobsrv_open(&options, &monitor);
	if (error) {
		expect_memory_error(error, "open");
		return false;
	}
	error = procobsrv_start(monitor);
	if (error)
		expect_memory_error(error, "start");
	else
		use(monitor, pulls, &told);
	if (procobsrv_close(monitor))
		fail("close: %s", procobsrv_explain());
	return !error;
}

static void try_all(bool pulls, enum failing_mode mode)
{
	const char *setting = getenv("PROCOBSRV_LIVE_ALLOCATIONS");
	bool every = setting && !strcmp(setting, "all");
	unsigned descriptors;
	unsigned threads;
	size_t blocks;

	/* What is kept for good (a thread's explanation) is there from the first round on. */
	live_once(pulls);
	live_once(pulls);
	blocks = failing_blocks();
	descriptors = entries("/proc/self/fd");
	threads = entries("/proc/self/task");
	for (unsigned long number = 1;; number += every || number < 64 ? 1 : number / 16) {
		bool any;
		bool through;

		progress->number = number;
		failing_arm(number, mode);
		through = live_once(pulls);
		any = failing_disarm();
		if (failing_blocks() > blocks)
			fail("%zu blocks leak", failing_blocks() - blocks);
		if (entries("/proc/self/fd") != descriptors)
			fail("%u descriptors instead of %u", entries("/proc/self/fd"), descriptors);
		/* A thread that has been joined is listed for a moment more. */
		for (int tries = 0; tries < 30000 && entries("/proc/self/task") > threads; tries++)
			usleep(1000);
		if (entries("/proc/self/task") != threads)
			fail("%u threads instead of %u", entries("/proc/self/task"), threads);
		if (!any && !through)
			fail("it failed though every allocation worked");
		progress->worked += any && through;
		if (!any)
			return;
	}
}

static bool run(unsigned index, const char *name, bool pulls, enum failing_mode mode)
{
	int status = -1;
	pid_t pid;

	memset(progress, 0, sizeof(*progress));
	pid = fork();
	if (!pid) {
		try_all(pulls, mode);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!status) {
		printf("ok %u - %s\n# %lu allocations; refused %lu times, worked %lu times\n",
		       index, name, progress->number - 1, progress->refused, progress->worked);
	} else if (WIFSIGNALED(status)) {
		printf("not ok %u - %s: killed by signal %d when allocation %lu failed\n", index,
		       name, WTERMSIG(status), progress->number);
	} else {
		printf("not ok %u - %s: when allocation %lu failed: %s\n", index, name,
		       progress->number, progress->why);
	}
	fflush(stdout);
	return !status;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool pulls;
		enum failing_mode mode;
	} scenarios[] = {
	    {"handler_once", false, FAILING_ONCE},
	    {"handler_from", false, FAILING_FROM},
	    {"pull_once", true, FAILING_ONCE},
	    {"pull_from", true, FAILING_FROM},
	};
	unsigned failed = 0;
	unsigned index = 0;

	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED || geteuid()) {
		puts("Bail out! The live tests load an observer into the kernel: run them as root");
		return 1;
	}
	printf("TAP version 13\n1..%zu\n", argc > 1 ? 1 : sizeof(scenarios) / sizeof(*scenarios));
	fflush(stdout);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (argc > 1 && strcmp(argv[1], scenarios[i].name) != 0)
			continue;
		failed += !run(++index, scenarios[i].name, scenarios[i].pulls, scenarios[i].mode);
	}
	return failed || !index;
}
