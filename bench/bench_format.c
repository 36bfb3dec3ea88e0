/* SPDX-License-Identifier: MIT */
/*
 * What it costs to write an event, and to match one: nanoseconds of this thread's CPU time for
 * each, the median of several rounds.
 *
 *	bench_format [ROUNDS]
 */
#include "filter.h"
#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EVENTS_PER_ROUND 200000
#define ROUNDS_DEFAULT	 9
#define ROUNDS_MAX	 99

static const char *const arguments[] = {
    "cc1", "-E", "-quiet", "-imultiarch", "x86_64-linux-gnu", "a.c", "-o", "/tmp/ccW3bFqa.i", NULL};

static const struct procobsrv_process parent = {
    .id = "6b1f0a5c2d3e4f60-811-18437225",
    .present = PROCOBSRV_HAS_START,
    .pid = 811,
    .name = "gcc",
    .exe = "/usr/bin/x86_64-linux-gnu-gcc-12",
};

static const struct procobsrv_process process = {
    .id = "6b1f0a5c2d3e4f60-812-18438226",
    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_CREDENTIALS | PROCOBSRV_HAS_LOGINUID |
	       PROCOBSRV_HAS_SESSION | PROCOBSRV_HAS_CGROUP | PROCOBSRV_HAS_EXE_FILE |
	       PROCOBSRV_HAS_SESSION_LEADER | PROCOBSRV_HAS_START,
    .pid = 812,
    .ppid = 811,
    .start_time_ns = INT64_C(1795328000123456789),
    .uid = 1000,
    .gid = 1000,
    .euid = 1000,
    .egid = 1000,
    .loginuid = 1000,
    .session = 3,
    .session_leader = 700,
    .name = "cc1",
    .exe = "/usr/libexec/gcc/x86_64-linux-gnu/12/cc1",
    .cwd = "/src/project/module",
    .argv = arguments,
    .argc = sizeof arguments / sizeof arguments[0] - 1,
    .tty = "pts/1",
    .cgroup_id = 4611686018427387904,
    .exe_device = 2049,
    .exe_inode = 1835061,
};

static const struct procobsrv_process small = {
    .id = "6b1f0a5c2d3e4f60-812-18438226",
    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_CREDENTIALS | PROCOBSRV_HAS_START,
    .pid = 812,
    .ppid = 811,
    .start_time_ns = INT64_C(1795328000123456789),
    .uid = 1000,
    .gid = 1000,
    .euid = 1000,
    .egid = 1000,
    .name = "true",
    .exe = "/usr/bin/true",
};

static const struct procobsrv_exit status = {
    .has_status = 1,
    .has_usage = 1,
    .duration_ns = 1830211,
    .cpu_ns = 1512000,
    .system_ns = 1512000,
    .max_rss_bytes = 1843200,
};

#define EVENT(what, who)                                                                           \
	.kind = (what), .seq = 4711, .cursor = "6b1f0a5c-1a2b3c4d5e", .process = &(who),           \
	.parent = &parent, .time_ns = INT64_C(1795328000123456789)

static const struct procobsrv_event start_event = {EVENT(PROCOBSRV_START, small)};
static const struct procobsrv_event exec_event = {EVENT(PROCOBSRV_EXEC, process)};
static const struct procobsrv_event exit_event = {EVENT(PROCOBSRV_EXIT, small), .exit = &status};

static const struct procobsrv_event *const events[] = {&start_event, &exec_event, &exit_event};

#define KINDS (sizeof events / sizeof events[0])

typedef void (*workload)(struct buffer *buffer, const struct procobsrv_event *event, void *param);

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return (left > right) - (left < right);
}

/* `event` NULL: start, exec and exit in turn. */
static double measure(workload work, const struct procobsrv_event *event, void *param,
		      unsigned rounds)
{
	struct buffer buffer = BUFFER_EMPTY;
	double results[ROUNDS_MAX] = {0};

	for (unsigned round = 0; round < rounds; round++) {
		double begin = cpu_ns();

		for (unsigned i = 0; i < EVENTS_PER_ROUND; i++) {
			if (buffer.size > 65536)
				buffer.size = 0;
			work(&buffer, event != NULL ? event : events[i % KINDS], param);
		}
		results[round] = (cpu_ns() - begin) / EVENTS_PER_ROUND;
	}
	buffer_free(&buffer);
	qsort(results, rounds, sizeof results[0], compare);
	return results[rounds / 2];
}

static void write_json(struct buffer *buffer, const struct procobsrv_event *event, void *param)
{
	(void)param;
	format_json_event(buffer, event);
}

static void write_text(struct buffer *buffer, const struct procobsrv_event *event, void *param)
{
	format_text_event(buffer, event, param);
}

static void match(struct buffer *buffer, const struct procobsrv_event *event, void *param)
{
	buffer->size = filter_match(param, event);
}

static void measure_filter(const char *expression, unsigned rounds)
{
	struct filter *filter;

	if (filter_compile(expression, &filter) != 0) {
		fprintf(stderr, "bench_format: %s\n", procobsrv_explain());
		exit(1);
	}
	printf("match %-48s %6.0f ns\n", expression, measure(match, NULL, filter, rounds));
	filter_free(filter);
}

int main(int argc, char **argv)
{
	struct format_text_options wide = {0};
	struct format_text_options narrow = {.columns = 120, .color = true};
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS_DEFAULT;

	if (rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "bench_format: ROUNDS must be 1 to %d\n", ROUNDS_MAX);
		return 2;
	}
	printf("JSON  start %6.0f ns\n", measure(write_json, &start_event, NULL, (unsigned)rounds));
	printf("JSON  exec  %6.0f ns\n", measure(write_json, &exec_event, NULL, (unsigned)rounds));
	printf("JSON  exit  %6.0f ns\n", measure(write_json, &exit_event, NULL, (unsigned)rounds));
	printf("JSON  mixed %6.0f ns\n", measure(write_json, NULL, NULL, (unsigned)rounds));
	printf("text  mixed %6.0f ns\n", measure(write_text, NULL, &wide, (unsigned)rounds));
	printf("text  cut   %6.0f ns\n", measure(write_text, NULL, &narrow, (unsigned)rounds));
	measure_filter("name == cc1", (unsigned)rounds);
	measure_filter("kind == exec && uid != 0 && exe ~ \"/usr/*\"", (unsigned)rounds);
	measure_filter("argv =~ \"curl|wget\"", (unsigned)rounds);
	measure_filter("argv =~ \"-o .*\\.i$\"", (unsigned)rounds);
	return 0;
}
