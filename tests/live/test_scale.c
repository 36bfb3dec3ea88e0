/* SPDX-License-Identifier: MIT */
/*
 * Very many processes: at once, one after the other, and faster than the handler takes them.
 * PROCOBSRV_LIVE_HELD (20000) live at once; PROCOBSRV_LIVE_SLOW (10000) pass a handler that sleeps,
 * 300000 is the promise; PROCOBSRV_LIVE_STORM (off) pass in one storm, 1000000 is the promise.
 */
#include "console.h"
#include "observe.h"
#include "resident.h"
#include "stream.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static void start_storm(struct workload *workload, unsigned processes, const char *more,
			const char *value, const char *truth)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", processes);
	workload_start(workload, live_program("storm"),
		       (const char *const[]){"storm", "-n", number, "-j", "2", "-t", truth, more,
					     value, NULL});
}

/* A line of /proc/PID/status in bytes. */
static uint64_t memory_of(pid_t pid, const char *name)
{
	char path[64], line[256];
	unsigned long long kib = 0;
	size_t length = strlen(name);
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	EXPECT(file, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, length) && line[length] == ':')
			sscanf(line + length + 1, "%llu", &kib);
	fclose(file);
	return kib * 1024;
}

/* What it has of its own, the code that runs, and not the ring, which is the kernel's. */
static uint64_t own_memory(pid_t pid)
{
	return memory_of(pid, "RssAnon");
}

static uint64_t processes_now(struct observation *observation)
{
	struct procobsrv_statistics now;

	EXPECT(!procobsrv_statistics(observation->monitor, &now, sizeof(now)), "statistics");
	return now.processes;
}

static void wait_processes(struct observation *observation, uint64_t most, uint64_t least)
{
	uint64_t begin = live_begin_wait();

	do {
		uint64_t now = processes_now(observation);

		if (now >= least && now <= most)
			return;
	} while (live_goes_on(begin, 1));
	live_fail(__FILE__, __LINE__, "%" PRIu64 " processes are in the table, not %" PRIu64,
		  processes_now(observation), least);
}

/* Those of the machine that are none of ours begin and end as they like. */
#define OTHERS 100

/* Many live at once; then the table is as it was. */
static void held(void)
{
	static const char *const argv[] = {"consctl", "watch", "-j", NULL};
	unsigned count = live_setting("PROCOBSRV_LIVE_HELD", live_scaled(20000));
	struct observation observation = {.forget = true};
	const char *truth = live_path("truth");
	struct console console;
	struct workload storm;
	uint64_t before, idle, half, full, after;

	observe_start(&observation, NULL);
	console_start(&console, "watch", argv);
	console_wait_watching(&console);
	live_sleep_ms(500);
	before = processes_now(&observation);
	idle = own_memory(console.pid);
	start_storm(&storm, count, "--hold", "3", truth);
	wait_processes(&observation, UINT64_MAX, before + count / 2);
	half = own_memory(console.pid);
	wait_processes(&observation, UINT64_MAX, before + count - OTHERS);
	live_sleep_ms(500);
	full = own_memory(console.pid);
	workload_wait(&storm);
	workload_expect_code(&storm, 0);
	wait_processes(&observation, before + OTHERS, 0);
	live_sleep_ms(1000);
	after = own_memory(console.pid);
	printf("# memory of consctl beside the ring: %" PRIu64 " KiB idle, %" PRIu64
	       " KiB with %u processes, %" PRIu64 " KiB with %u, %" PRIu64 " KiB afterwards\n",
	       idle / 1024, half / 1024, count / 2, full / 1024, count, after / 1024);
	printf("# processes in the table: %" PRIu64 " before, %" PRIu64 " after\n", before,
	       processes_now(&observation));
	fflush(stdout);
	EXPECT(console_end(&console, SIGTERM) == 0, "consctl did not end well: %s",
	       console_errors(&console));
	observe_stop(&observation);
	EXPECT(half <= 16 * MIB, "consctl takes %" PRIu64 " bytes", half);
	workload_free(&storm);
	observe_free(&observation);
}

static void feed_ground(const struct procobsrv_event *event, void *param)
{
	struct seen seen;

	seen_from_event(&seen, event);
	ground_feed(param, &seen);
}

/* A handler that sleeps 100 us: nothing is lost, memory is bounded, the order kept (laws.c). */
static void sleeping_handler(void)
{
	struct procobsrv_options options = {.size = sizeof(options),
					    .spill_directory = live_directory()};
	struct ground *ground = ground_create();
	struct observation observation = {
	    .forget = true, .also = feed_ground, .param = ground, .sleep_us = 100};
	const char *truth = live_path("truth");
	struct procobsrv_statistics *all = &observation.statistics;
	struct workload storm;
	const char *why;

	observe_start(&observation, &options);
	start_storm(&storm, live_setting("PROCOBSRV_LIVE_SLOW", live_scaled(10000)), "-s", "101",
		    truth);
	workload_wait(&storm);
	workload_expect_code(&storm, 0);
	observe_stop(&observation);
	printf("# observed %" PRIu64 ", lost %" PRIu64 ", queue peak %" PRIu64
	       " bytes, spilled %" PRIu64 " bytes\n",
	       all->observed, all->lost, all->queue_peak, all->spill_total);
	fflush(stdout);
	why = ground_compare(ground, truth, (uint32_t)getpid(), NULL);
	EXPECT(!why, "%s", why);
	EXPECT_EQUAL("lost", all->lost, 0);
	EXPECT(all->queue_peak <= 5 * MIB, "the queue took %" PRIu64 " bytes", all->queue_peak);
	EXPECT_EQUAL("bytes left on disk", all->spill_used, 0);
	ground_free(ground);
	workload_free(&storm);
	observe_free(&observation);
}

/* Into a file of JSON lines, which then is held against the truth and verified. */
static void one_storm(void)
{
	unsigned count = live_setting("PROCOBSRV_LIVE_STORM", 0);
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "-j", "--output", path, NULL};
	struct stream stream = {.laws = laws_create(), .ground = ground_create()};
	const char *truth = live_path("truth");
	const char *why, *output;
	struct console console;
	struct workload storm;
	uint64_t own, peak;

	if (!count) {
		printf("# PROCOBSRV_LIVE_STORM is not set: a short one\n");
		count = live_scaled(20000);
	}
	console_start(&console, "watch", argv);
	console_wait_watching(&console);
	start_storm(&storm, count, "-s", "101", truth);
	workload_wait(&storm);
	workload_expect_code(&storm, 0);
	own = own_memory(console.pid);
	peak = memory_of(console.pid, "VmHWM");
	EXPECT(console_end(&console, SIGTERM) == 0, "consctl did not end well: %s",
	       console_errors(&console));
	stream_read(&stream, path);
	printf("# %u processes: %zu lines, %" PRIu64 " lost, %" PRIu64
	       " KiB of its own, peak with the ring %" PRIu64 " KiB\n",
	       count, stream.lines, stream.end.end.lost, own / 1024, peak / 1024);
	fflush(stdout);
	EXPECT_EQUAL("lost", stream.end.end.lost, 0);
	why = laws_breach(stream.laws);
	EXPECT(!why, "%s", why);
	why = ground_compare(stream.ground, truth, (uint32_t)getpid(), NULL);
	EXPECT(!why, "%s", why);
	EXPECT(CONSCTL(&output, NULL, "verify", path) == 0, "verify: %s", output);
	EXPECT(own <= 16 * MIB, "consctl takes %" PRIu64 " bytes", own);
	laws_free(stream.laws);
	ground_free(stream.ground);
	workload_free(&storm);
}

const struct live_test scale_tests[] = {
    {"held", held, 300},
    {"sleeping_handler", sleeping_handler, 900},
    {"one_storm", one_storm, 900},
    {NULL, NULL, 0},
};
