/* SPDX-License-Identifier: MIT */
/* Programs that own their loop, and what a monitor leaves as it was in any program. */
#include "kernel_objects.h"
#include "observe.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct procobsrv *start_pull(void)
{
	struct procobsrv *monitor;
	const struct procobsrv_event *event;

	EXPECT(!procobsrv_open(NULL, &monitor), "open: %s", procobsrv_explain());
	EXPECT_EQUAL("next before the start", procobsrv_next(monitor, 0, &event),
		     PROCOBSRV_ERROR_STATE);
	EXPECT(!procobsrv_start(monitor), "start: %s", procobsrv_explain());
	return monitor;
}

/* Takes until the first error, which it returns, and counts events of a child of ours, and all. Its
 * pid may be that of others before and after it, where many processes come and go. */
static unsigned take(struct procobsrv *monitor, pid_t pid, int timeout_ms, int *error,
		     unsigned *all)
{
	const struct procobsrv_event *event = NULL;
	unsigned count = 0;

	for (*all = 0; !(*error = procobsrv_next(monitor, timeout_ms, &event)); ++*all)
		count += event->process && event->process->pid == (uint32_t)pid &&
			 event->process->ppid == (uint32_t)getpid();
	return count;
}

static void poll_and_next(void)
{
	struct procobsrv *monitor = start_pull();
	struct pollfd descriptor = {.fd = (int)procobsrv_descriptor(monitor), .events = POLLIN};
	unsigned idle = 0;
	int error;

	EXPECT(descriptor.fd >= 0, "descriptor: %s", procobsrv_explain());
	for (int round = 0; round < 50; round++) {
		struct workload workload;
		unsigned seen = 0;

		workload_start(&workload, NULL,
			       (const char *const[]){"live_worker", "exit", "3", NULL});
		workload_wait(&workload);
		while (seen < 3) {
			unsigned all;

			EXPECT(poll(&descriptor, 1, 60000) == 1,
			       "round %d: 60 s after %u of 3 events nothing polls readable", round,
			       seen);
			seen += take(monitor, workload.pid, 0, &error, &all);
			EXPECT_EQUAL("the end of what is there", error, PROCOBSRV_ERROR_TIMEOUT);
			idle += !all;
		}
		EXPECT_EQUAL("events", seen, 3);
		workload_free(&workload);
	}
	EXPECT(idle < 5000, "%u times it polled readable for nothing", idle);
	EXPECT(!procobsrv_close(monitor), "close: %s", procobsrv_explain());
}

/* After the stop the rest can be fetched, to its end. */
static void rest_after_stop(void)
{
	struct procobsrv *monitor = start_pull();
	struct pollfd descriptor = {.fd = (int)procobsrv_descriptor(monitor), .events = POLLIN};
	struct procobsrv_statistics all;
	struct workload workload;
	const struct procobsrv_event *event;
	unsigned all_taken;
	int error;

	workload_start(&workload, NULL, (const char *const[]){"live_worker", "exit", "3", NULL});
	workload_wait(&workload);
	EXPECT(!procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN), "stop: %s", procobsrv_explain());
	EXPECT_EQUAL("events", take(monitor, workload.pid, 60000, &error, &all_taken), 3);
	EXPECT_EQUAL("after the last event", error, PROCOBSRV_ERROR_ENDED);
	EXPECT_EQUAL("and again", procobsrv_next(monitor, -1, &event), PROCOBSRV_ERROR_ENDED);
	EXPECT(poll(&descriptor, 1, 0) == 1, "the end does not poll readable");
	EXPECT(!procobsrv_statistics(monitor, &all, sizeof(all)), "statistics");
	EXPECT(all.observed == all.delivered + all.filtered && !all.lost && !all.pending,
	       "observed %llu, delivered %llu, filtered %llu, lost %llu, pending %llu",
	       (unsigned long long)all.observed, (unsigned long long)all.delivered,
	       (unsigned long long)all.filtered, (unsigned long long)all.lost,
	       (unsigned long long)all.pending);
	workload_free(&workload);

	/* And a second run of the same monitor. */
	EXPECT(!procobsrv_start(monitor), "start again: %s", procobsrv_explain());
	workload_start(&workload, NULL, (const char *const[]){"live_worker", "exit", "3", NULL});
	workload_wait(&workload);
	EXPECT(!procobsrv_stop(monitor, PROCOBSRV_STOP_DISCARD), "stop: %s", procobsrv_explain());
	take(monitor, workload.pid, 60000, &error, &all_taken);
	EXPECT_EQUAL("after discarding", error, PROCOBSRV_ERROR_ENDED);
	workload_free(&workload);
	EXPECT(!procobsrv_close(monitor), "close: %s", procobsrv_explain());
}

static void timeouts(void)
{
	struct procobsrv_options options = {.size = sizeof(options), .match = "process.pid == 0"};
	struct procobsrv *monitor;
	const struct procobsrv_event *untouched = (const struct procobsrv_event *)&options;
	const struct procobsrv_event *event = untouched;
	uint64_t before;
	uint64_t waited;

	EXPECT(!procobsrv_open(&options, &monitor) && !procobsrv_start(monitor), "start: %s",
	       procobsrv_explain());
	before = live_boot_ns();
	EXPECT_EQUAL("next", procobsrv_next(monitor, 200, &event), PROCOBSRV_ERROR_TIMEOUT);
	waited = live_boot_ns() - before;
	EXPECT(waited >= 199000000 && waited < 20000000000, "it waited %llu ns, not 200 ms",
	       (unsigned long long)waited);
	EXPECT_EQUAL("wait", procobsrv_wait(monitor, 20), PROCOBSRV_ERROR_TIMEOUT);
	EXPECT(event == untouched, "a failed procobsrv_next() changed its output");
	EXPECT(!procobsrv_close(monitor), "close: %s", procobsrv_explain());
}

static void handler_or_next(void)
{
	struct observation observation = {0};
	const struct procobsrv_event *event;

	observe_start(&observation, NULL);
	EXPECT_EQUAL("next beside a handler", procobsrv_next(observation.monitor, 0, &event),
		     PROCOBSRV_ERROR_STATE);
	EXPECT_EQUAL("descriptor beside a handler", procobsrv_descriptor(observation.monitor),
		     PROCOBSRV_ERROR_STATE);
	observe_stop(&observation);
	observe_free(&observation);
}

static unsigned count_entries(const char *path)
{
	unsigned count = 0;
	DIR *folder = opendir(path);

	EXPECT(folder, "%s: %s", path, strerror(errno));
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* Pieces of the kernel's maps in our memory. */
static unsigned count_mappings(void)
{
	unsigned count = 0;
	FILE *file = fopen("/proc/self/maps", "re");
	char line[4096];

	EXPECT(file, "/proc/self/maps: %s", strerror(errno));
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "anon_inode:bpf-map") != NULL;
	fclose(file);
	return count;
}

/* What a program has that is not the library's to change. */
struct belongings {
	bool open[1024];
	struct sigaction actions[65];
	struct rlimit memory_lock;
};

static void note_belongings(struct belongings *own)
{
	memset(own, 0, sizeof(*own));
	for (int i = 0; i < 1024; i++)
		own->open[i] = fcntl(i, F_GETFD) >= 0;
	for (int i = 1; i < 65; i++)
		sigaction(i, NULL, &own->actions[i]);
	getrlimit(RLIMIT_MEMLOCK, &own->memory_lock);
}

static void expect_untouched(const struct belongings *own)
{
	struct sigaction action;
	struct rlimit limit;

	for (int i = 1; i < 65; i++)
		EXPECT(sigaction(i, NULL, &action) ||
			   action.sa_handler == own->actions[i].sa_handler,
		       "the handler of signal %d was changed", i);
	getrlimit(RLIMIT_MEMLOCK, &limit);
	EXPECT(limit.rlim_cur == own->memory_lock.rlim_cur &&
		   limit.rlim_max == own->memory_lock.rlim_max,
	       "the memory lock limit was changed");
}

/* The signals that a thread blocks; 0: it is none of the library's (a sanitizer has its own). */
static unsigned long long blocked_by(const char *thread)
{
	unsigned long long blocked = 0;
	char path[300];
	char line[256];
	bool ours = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", thread);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		ours = ours || !strncmp(line, "Name:\tprocobsrv", 15);
		sscanf(line, "SigBlk: %llx", &blocked);
	}
	if (file)
		fclose(file);
	return ours ? blocked : 0;
}

static unsigned count_own_threads(void)
{
	const struct dirent *entry;
	DIR *folder = opendir("/proc/self/task");
	unsigned count = 0;

	while ((entry = readdir(folder)))
		count += entry->d_name[0] != '.' && blocked_by(entry->d_name) != 0;
	closedir(folder);
	return count;
}

/* Every new descriptor is closed on exec, both threads block all signals. */
static void expect_good_manners(const struct belongings *own)
{
	const struct dirent *entry;
	DIR *folder = opendir("/proc/self/task");

	for (int i = 0; i < 1024; i++) {
		int flags = fcntl(i, F_GETFD);

		EXPECT(flags < 0 || own->open[i] || flags & FD_CLOEXEC,
		       "descriptor %d stays open over exec", i);
	}
	while ((entry = readdir(folder))) {
		unsigned long long blocked =
		    entry->d_name[0] == '.' ? 0 : blocked_by(entry->d_name);

		/* SIGKILL and SIGSTOP cannot be blocked, 32 and 33 are the C library's. */
		EXPECT(!blocked || (blocked | 1ull << 8 | 1ull << 18 | 3ull << 31) == ~0ull,
		       "a thread of the library blocks the signals %llx only", blocked);
	}
	closedir(folder);
	EXPECT_EQUAL("threads that bear the library's name", count_own_threads(), 2);
}

/* Threads, descriptors, limits, signal handlers, and what is in the kernel. */
static void leaves_nothing(void)
{
	struct kernel_objects objects;
	struct belongings own;
	unsigned threads = 0;
	unsigned descriptors = 0;

	note_belongings(&own);
	for (unsigned round = 0; round < live_rounds(10); round++) {
		struct run run;
		struct observation observation = {0};

		RUN(&run, "many", "100");
		run_free(&run);
		observe_start(&observation, NULL);
		kernel_objects_of(getpid(), &objects);
		expect_good_manners(&own);
		EXPECT(count_mappings() > 0, "a running monitor maps nothing of its ring");
		observe_stop(&observation);
		observe_free(&observation);
		EXPECT(objects.program_count >= 3 && objects.link_count >= 3,
		       "a running monitor holds %u programs and %u links", objects.program_count,
		       objects.link_count);
		EXPECT(kernel_objects_gone(&objects), "something stays in the kernel");
		/* A thread that has been joined is listed for a moment more. */
		for (uint64_t begin = live_begin_wait();
		     count_own_threads() && live_goes_on(begin, 1);)
			;
		EXPECT_EQUAL("threads of the library", count_own_threads(), 0);
		EXPECT_EQUAL("mappings of the kernel's maps", count_mappings(), 0);
		/* A sanitizer may have begun a thread of its own by now. */
		if (round == 1) {
			descriptors = count_entries("/proc/self/fd");
			threads = count_entries("/proc/self/task");
		}
		if (round > 1) {
			EXPECT_EQUAL("open descriptors", count_entries("/proc/self/fd"),
				     descriptors);
			EXPECT_EQUAL("threads", count_entries("/proc/self/task"), threads);
		}
	}
	expect_untouched(&own);
}

const struct live_test pull_tests[] = {
    {"poll_and_next", poll_and_next, 0},
    {"rest_after_stop", rest_after_stop, 0},
    {"timeouts", timeouts, 0},
    {"handler_or_next", handler_or_next, 0},
    {"leaves_nothing", leaves_nothing, 120},
    {NULL, NULL, 0},
};
