/* SPDX-License-Identifier: MIT */
/*
 * slow [-n N] [-s MICROSECONDS] [-q BYTES] -c PROGRAM: a handler that sleeps at each event, while a
 * storm of N processes, all of them PROGRAM, passes as fast as it can.
 *
 * Prints name=value lines when the last event has been handled, and then waits for the end of its
 * standard input, so that its memory can be looked at.
 */
#include "procobsrv.h"
#include "truth.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIDS 4194304u /* the most that Linux gives */

#define PENDING_FEW 50u

/* What was told last of a pid, two bits each. */
enum stage { STAGE_NONE, STAGE_STARTED, STAGE_RUNS };

static struct {
	const char *child;
	long sleep_ns;
	uint64_t told[8]; /* of the storm's processes, by enum procobsrv_kind */
	uint64_t seq;	  /* the last one */
	uint64_t out_of_order;
	uint8_t stages[PIDS / 4];
} seen;

static enum stage stage_of(uint32_t pid)
{
	return seen.stages[pid / 4] >> pid % 4 * 2 & 3;
}

static void set_stage(uint32_t pid, enum stage stage)
{
	uint8_t *stages = &seen.stages[pid / 4];

	*stages = (uint8_t)((*stages & ~(3u << pid % 4 * 2)) | (unsigned)stage << pid % 4 * 2);
}

/* Of a process of the storm: a start, then an exec, then an exit. */
static void check_process(const struct procobsrv_event *event)
{
	uint32_t pid = event->process->pid % PIDS;
	bool ours = !strncmp(event->process->name, seen.child, 15);

	if (event->kind == PROCOBSRV_START) {
		set_stage(pid, STAGE_STARTED);
		return;
	}
	if (ours && event->kind == PROCOBSRV_EXEC)
		seen.out_of_order += stage_of(pid) != STAGE_STARTED;
	if (ours && event->kind == PROCOBSRV_EXIT)
		seen.out_of_order += stage_of(pid) != STAGE_RUNS;
	set_stage(pid, event->kind == PROCOBSRV_EXEC ? STAGE_RUNS : STAGE_NONE);
	seen.told[event->kind] += ours;
}

static void on_event(const struct procobsrv_event *event, void *param)
{
	const struct timespec pause = {.tv_nsec = seen.sleep_ns};

	(void)param;
	nanosleep(&pause, NULL);
	seen.out_of_order += event->seq <= seen.seq;
	seen.seq = event->seq;
	if (event->process)
		check_process(event);
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begin->tv_sec) + (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* `storm` lies beside this program. */
static int run_storm(char *count, char *child)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("/storm"));
	char name[] = "storm", count_option[] = "-n", child_option[] = "-c";
	char *const argv[] = {name, count_option, count, child_option, child, NULL};
	int status;

	if (length < 0)
		return -1;
	path[length] = '\0';
	strcpy(strrchr(path, '/') + 1, "storm");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execv(path, argv);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static void print_result(const struct procobsrv_statistics *statistics, double storm_s,
			 double whole_s)
{
	printf("storm_s=%.2f\nhandled_s=%.2f\nexecs=%" PRIu64 "\nexits=%" PRIu64
	       "\nout_of_order=%" PRIu64 "\nobserved=%" PRIu64 "\ndelivered=%" PRIu64
	       "\nlost=%" PRIu64 "\nqueue_peak=%" PRIu64 "\nspilled=%" PRIu64 "\nring_size=%" PRIu64
	       "\nring_peak=%" PRIu64 "\n",
	       storm_s, whole_s, seen.told[PROCOBSRV_EXEC], seen.told[PROCOBSRV_EXIT],
	       seen.out_of_order, statistics->observed, statistics->delivered, statistics->lost,
	       statistics->queue_peak, statistics->spill_total, statistics->ring_size,
	       statistics->ring_peak);
	fflush(stdout);
}

static int watch_storm(const struct procobsrv_options *options, char *count, char *child)
{
	struct procobsrv_statistics statistics;
	struct procobsrv *monitor;
	struct timespec begin;

	if (procobsrv_open(options, &monitor) < 0 || procobsrv_start(monitor) < 0) {
		fprintf(stderr, "slow: %s\n", procobsrv_explain());
		return 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &begin);
	if (run_storm(count, child)) {
		fputs("slow: the storm failed\n", stderr);
		return 1;
	}
	double storm_s = seconds_since(&begin);
	/* Others on the machine may go on to make processes. */
	do {
		usleep(10000);
		procobsrv_statistics(monitor, &statistics, sizeof(statistics));
	} while (statistics.pending > PENDING_FEW);
	print_result(&statistics, storm_s, seconds_since(&begin));
	while (getchar() != EOF)
		;
	return procobsrv_close(monitor) ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct procobsrv_options options = {.size = sizeof(options),
					    .handler = {.on_event = on_event}};
	char count_default[] = "30000", *count = count_default, *child = NULL;
	long sleep_us = 100;
	int option;

	while ((option = getopt(argc, argv, "n:s:q:c:")) != -1) {
		if (option == 'n')
			count = optarg;
		else if (option == 's')
			sleep_us = strtol(optarg, NULL, 10);
		else if (option == 'q')
			options.queue_size = strtoull(optarg, NULL, 10);
		else if (option == 'c')
			child = optarg;
		else
			return 2;
	}
	if (!child || optind != argc || sleep_us < 0 || sleep_us >= 1000000) {
		fputs("usage: slow [-n N] [-s MICROSECONDS] [-q BYTES] -c PROGRAM\n", stderr);
		return 2;
	}
	seen.child = strrchr(child, '/') ? strrchr(child, '/') + 1 : child;
	seen.sleep_ns = sleep_us * 1000;
	return watch_storm(&options, count, child);
}
