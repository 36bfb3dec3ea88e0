/* SPDX-License-Identifier: MIT */
#include "sink_probe.h"

#include "error.h"

#include <stdio.h>

struct probe probe = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const struct setting probe_settings[] = {
    {.name = "path", .type = SETTING_PATH, .initial = "/initial"},
    {NULL},
};

static int probe_open(const struct setting_value *values, struct sink **sink)
{
	if (atomic_load(&probe.fail_open) > 0) {
		atomic_fetch_sub(&probe.fail_open, 1);
		return error_set(PROCOBSRV_ERROR_SYSTEM, "cannot open the probe");
	}
	atomic_fetch_add(&probe.opened, 1);
	snprintf(probe.path, sizeof(probe.path), "%s", values[0].text);
	*sink = (struct sink *)&probe;
	return 0;
}

static int probe_write(struct sink *sink, const struct procobsrv_event *const *events, size_t count)
{
	(void)sink;
	pthread_mutex_lock(&probe.lock);
	probe.in_write = true;
	pthread_cond_broadcast(&probe.changed);
	while (probe.blocks)
		pthread_cond_wait(&probe.changed, &probe.lock);
	probe.in_write = false;
	bool fails = atomic_load(&probe.fail_write) > 0;
	if (fails)
		atomic_fetch_sub(&probe.fail_write, 1);
	for (size_t index = 0; index < count && !fails && probe.count < TAKEN_MOST; index++) {
		struct taken *taken = &probe.taken[probe.count++];
		*taken = (struct taken){.seq = events[index]->seq, .kind = events[index]->kind};
		if (events[index]->lost)
			taken->lost = *events[index]->lost;
	}
	pthread_mutex_unlock(&probe.lock);
	return fails ? error_set(PROCOBSRV_ERROR_SYSTEM, "the probe's disk is full") : 0;
}

static int probe_tend(struct sink *sink)
{
	(void)sink;
	atomic_fetch_add(&probe.tended, 1);
	return 0;
}

static int probe_reopen(struct sink *sink)
{
	(void)sink;
	atomic_fetch_add(&probe.reopened, 1);
	return 0;
}

static void probe_statistics(struct sink *sink, struct sink_statistics *statistics)
{
	(void)sink;
	statistics->written = 7;
}

static void probe_close(struct sink *sink)
{
	(void)sink;
	atomic_fetch_add(&probe.closed, 1);
}

#define OPERATIONS(NAME, DURABLE)                                                                  \
	{                                                                                          \
		.name = (NAME), .settings = probe_settings, .durable = (DURABLE),                  \
		.open = probe_open, .write = probe_write, .tend = probe_tend,                      \
		.reopen = probe_reopen, .statistics = probe_statistics, .close = probe_close       \
	}

static const struct sink_operations durable = OPERATIONS("durable", true);
static const struct sink_operations passing = OPERATIONS("passing", false);

/* One that is shown every event. */
uint64_t seen[SEEN_MOST];
size_t seen_count;
size_t seen_before_write; /* when the first was written */

static void probe_see(struct sink *sink, const struct procobsrv_event *event)
{
	(void)sink;
	if (seen_count < sizeof(seen) / sizeof(seen[0]))
		seen[seen_count++] = event->seq;
}

static int seeing_write(struct sink *sink, const struct procobsrv_event *const *events,
			size_t count)
{
	if (!seen_before_write)
		seen_before_write = seen_count;
	return probe_write(sink, events, count);
}

static const struct sink_operations seeing = {.name = "seeing",
					      .settings = probe_settings,
					      .open = probe_open,
					      .write = seeing_write,
					      .see = probe_see,
					      .statistics = probe_statistics,
					      .close = probe_close};
const struct sink_operations *const probe_sinks[] = {&durable, &passing, &seeing, NULL};
