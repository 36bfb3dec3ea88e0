/* SPDX-License-Identifier: MIT */
/*
 * What it costs to record events: a day of a machine that builds (day.h) through the record's sink,
 * on one thread.
 *
 *	bench_record FILE [EVENTS [BATCH [SETTING=VALUE...]]]
 *
 * FILE is a new database; it is left there. SETTING as in the configuration: "keep", "max-size",
 * "commit-interval", "cache-size".
 */
#include "day.h"

#include "setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#define EVENTS_INITIAL 1000000
#define BATCH_INITIAL  4096 /* what the service writes at a time, at most */
#define SETTINGS_MOST  16
#define SECOND_NS      1000000000u

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench_record: %s: %s\n", what, procobsrv_explain());
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t file_size(const char *path, const char *suffix)
{
	char name[4096];
	struct stat status;

	snprintf(name, sizeof name, "%s%s", path, suffix);
	return stat(name, &status) ? 0 : (uint64_t)status.st_size;
}

static struct sink *open_sink(const char *path, char **settings, int count)
{
	struct setting_value values[SETTINGS_MOST] = {0};
	struct sink *sink;

	for (int i = 0; sink_record.settings[i].name; i++) {
		const struct setting *setting = &sink_record.settings[i];
		const char *text = i ? setting->initial : path;
		for (int j = 0; j < count; j++) {
			size_t length = strlen(setting->name);
			if (!strncmp(settings[j], setting->name, length) &&
			    settings[j][length] == '=')
				text = settings[j] + length + 1;
		}
		if (setting_parse(setting, text, &values[i]))
			fail("a setting");
	}
	if (sink_record.open(values, &sink))
		fail("open");
	return sink;
}

struct figures {
	uint64_t processor_ns; /* in write() and tend() */
	uint64_t elapsed_ns;
	uint64_t longest_ns; /* write() */
	uint64_t wal_most;
	uint64_t size_most;
	long memory_early; /* KiB: after a tenth */
};

static long peak_memory(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void write_batch(struct sink *sink, struct day *day, size_t count, struct figures *figures)
{
	const struct procobsrv_event *const *events = day_next(day, count);
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	uint64_t processor = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (!events || sink_record.write(sink, events, count))
		fail("write");
	uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - began;
	figures->processor_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - processor;
	figures->elapsed_ns += elapsed;
	if (elapsed > figures->longest_ns)
		figures->longest_ns = elapsed;
}

/* As the service does it, once a second. */
static void tend(struct sink *sink, const char *path, struct figures *figures)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	uint64_t processor = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (sink_record.tend(sink))
		fail("tend");
	figures->processor_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - processor;
	figures->elapsed_ns += clock_ns(CLOCK_MONOTONIC) - began;
	uint64_t wal = file_size(path, "-wal");
	uint64_t size = wal + file_size(path, "");
	if (wal > figures->wal_most)
		figures->wal_most = wal;
	if (size > figures->size_most)
		figures->size_most = size;
}

static void tell(const struct figures *figures, uint64_t events, const char *path)
{
	double seconds = (double)figures->elapsed_ns / SECOND_NS;
	double processor = (double)figures->processor_ns / SECOND_NS;

	printf("%" PRIu64 " events: %.1f s, %.1f s of the processor\n", events, seconds, processor);
	printf("events a second: %.0f; of one processor: %.0f\n", (double)events / seconds,
	       (double)events / processor);
	printf("file: %" PRIu64 " bytes, %.0f an event; most with its log %" PRIu64
	       "; log at most %" PRIu64 "\n",
	       file_size(path, ""), (double)file_size(path, "") / (double)events,
	       figures->size_most, figures->wal_most);
	printf("longest write: %.0f ms\n", (double)figures->longest_ns / 1e6);
	printf("memory: %ld KiB at most, %ld after a tenth\n", peak_memory(),
	       figures->memory_early);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: bench_record FILE [EVENTS [BATCH [SETTING=VALUE...]]]\n");
		return 2;
	}
	uint64_t events = argc > 2 ? strtoull(argv[2], NULL, 10) : EVENTS_INITIAL;
	size_t batch = argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : BATCH_INITIAL;
	if (!events || !batch)
		fail("no number of events, or of a batch");
	struct sink *sink = open_sink(argv[1], argv + 4, argc > 4 ? argc - 4 : 0);
	uint64_t step_ns = UINT64_C(86400) * SECOND_NS / events;
	struct day *day = day_create(&(struct day_options){
	    .seed = 1,
	    .stream = 1,
	    .boot = "b00710ad",
	    .first_ns = (int64_t)(clock_ns(CLOCK_REALTIME) - events * step_ns),
	    .step_ns = step_ns,
	    .processes = 400,
	    .pids = 4194303,
	    .one_in = 2,
	});
	struct figures figures = {0};
	uint64_t tended = clock_ns(CLOCK_MONOTONIC);

	if (!day)
		fail("a day");
	for (uint64_t done = 0; done < events; done += batch) {
		if (batch > events - done)
			batch = (size_t)(events - done);
		write_batch(sink, day, batch, &figures);
		if (clock_ns(CLOCK_MONOTONIC) - tended > SECOND_NS) {
			tended = clock_ns(CLOCK_MONOTONIC);
			tend(sink, argv[1], &figures);
		}
		if (!figures.memory_early && done > events / 10)
			figures.memory_early = peak_memory();
	}
	sink_record.close(sink);
	day_free(day);
	tell(&figures, events, argv[1]);
	return 0;
}
