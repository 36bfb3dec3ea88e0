/* SPDX-License-Identifier: MIT */
/*
 * latency [-b BACKEND] [-n N] [-i MILLISECONDS] [-s SECONDS]: on an idle machine, how long from an
 * exec in the kernel until a handler is called; and what a monitor costs that has nothing to tell.
 *
 * Runs storm_child N times, so many milliseconds apart, and compares the time of each exec event
 * with the clock when the handler is called. Prints name=value lines.
 */
#include "procobsrv.h"
#include "truth.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 100000u
#define MARK	    "latency" /* tells our processes from those of a storm */

static uint64_t samples[SAMPLES_MAX];
static atomic_size_t sample_count;

static uint64_t boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void on_event(const struct procobsrv_event *event, void *param)
{
	uint64_t now = boot_ns();
	size_t count = atomic_load(&sample_count);

	(void)param;
	if (event->kind != PROCOBSRV_EXEC || strcmp(event->process->name, TRUTH_NAME) != 0 ||
	    event->process->argc < 2 || strcmp(event->process->argv[1], MARK) != 0 ||
	    count >= SAMPLES_MAX)
		return;
	samples[count] = now - event->boot_ns;
	atomic_store(&sample_count, count + 1);
}

static void sleep_ms(unsigned long milliseconds)
{
	struct timespec duration = {(time_t)(milliseconds / 1000),
				    (long)(milliseconds % 1000) * 1000000};

	while (nanosleep(&duration, &duration) < 0 && errno == EINTR)
		;
}

static bool run_child(const char *program)
{
	char *argv[] = {(char *)(uintptr_t)TRUTH_NAME, (char *)(uintptr_t)MARK,
			(char *)(uintptr_t) "0", NULL};
	char *const environment[] = {NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execve(program, argv, environment);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left;
	uint64_t b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Nearest rank. */
static double percentile_us(size_t count, double percent)
{
	size_t rank = (size_t)((double)count * percent / 100.0);

	return (double)samples[rank < count ? rank : count - 1] / 1000.0;
}

static int print_result(unsigned long made, double idle_cpu, unsigned long idle_seconds)
{
	size_t count = atomic_load(&sample_count);

	if (count == 0) {
		fputs("latency: not one exec was reported\n", stderr);
		return 1;
	}
	qsort(samples, count, sizeof(*samples), compare);
	printf("made=%lu\nseen=%zu\np50_us=%.1f\np90_us=%.1f\np99_us=%.1f\nmax_us=%.1f\n", made,
	       count, percentile_us(count, 50), percentile_us(count, 90), percentile_us(count, 99),
	       (double)samples[count - 1] / 1000.0);
	printf("idle_cpu_percent=%.4f\n", idle_cpu / (double)idle_seconds * 100.0);
	return count == made ? 0 : 1;
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value == 0 || value > SAMPLES_MAX) {
		fprintf(stderr, "latency: '%s' is no number from 1 to %u\n", text, SAMPLES_MAX);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct procobsrv_options options = {.size = sizeof(options),
					    .handler = {.on_event = on_event}};
	struct procobsrv *monitor;
	unsigned long count = 500;
	unsigned long interval = 10;
	unsigned long idle_seconds = 5;
	char program[4096];
	ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - sizeof(TRUTH_NAME));
	double idle_cpu;
	int option;

	while ((option = getopt(argc, argv, "b:n:i:s:")) != -1) {
		if (option == '?')
			return 2;
		if (option == 'b') {
			options.backend = optarg;
			continue;
		}
		*(option == 'n'	  ? &count
		  : option == 'i' ? &interval
				  : &idle_seconds) = number(optarg);
	}
	if (length < 0) {
		perror("latency: /proc/self/exe");
		return 1;
	}
	program[length] = '\0';
	memcpy(strrchr(program, '/') + 1, TRUTH_NAME, sizeof(TRUTH_NAME));

	if (procobsrv_open(&options, &monitor) < 0 || procobsrv_start(monitor) < 0) {
		fprintf(stderr, "latency: %s\n", procobsrv_explain());
		return 1;
	}
	sleep_ms(200);
	idle_cpu = cpu_seconds();
	sleep_ms(idle_seconds * 1000);
	idle_cpu = cpu_seconds() - idle_cpu;
	for (unsigned long i = 0; i < count; i++) {
		if (!run_child(program)) {
			fprintf(stderr, "latency: cannot run %s: %s\n", program, strerror(errno));
			return 1;
		}
		sleep_ms(interval);
	}
	procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	procobsrv_close(monitor);
	return print_result(count, idle_cpu, idle_seconds);
}
