/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "configuration_yaml.h"
#include "event.h"
#include "runner_ground.h"
#include "sample_events.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void complain(unsigned line, unsigned column, const char *text, void *param)
{
	(void)param;
	fail_msg("%u:%u: %s", line, column, text);
}

const struct configuration *runner_configure(const char *text)
{
	const struct configuration *configuration;

	assert_int_equal(configuration_parse("test", text, strlen(text), probe_sinks, complain,
					     NULL, &configuration),
			 0);
	return configuration;
}

void runner_reset(void)
{
	probe.count = 0;
	probe.blocks = false;
	probe.in_write = false;
	atomic_store(&probe.fail_open, 0);
	atomic_store(&probe.fail_write, 0);
	atomic_store(&probe.opened, 0);
	atomic_store(&probe.closed, 0);
	atomic_store(&probe.reopened, 0);
	atomic_store(&probe.tended, 0);
}

struct sink_runner *runner_begin_with(const char *text, const struct sink_runner_listener *listener)
{
	const struct configuration *configuration = runner_configure(text);
	struct sink_runner *runner;

	runner_reset();
	assert_int_equal(sink_runner_start(configuration, configuration->sinks, listener, &runner),
			 0);
	configuration_unref(configuration);
	return runner;
}

struct sink_runner *runner_begin(const char *text)
{
	return runner_begin_with(text, NULL);
}

const struct procobsrv_event *runner_make_event(const struct procobsrv_event *sample, uint64_t seq)
{
	struct event *event = event_create(sample->kind);

	assert_non_null(event);
	event->public.seq = seq;
	event->public.flags = sample->flags;
	event->public.time_ns = SAMPLE_TIME_NS + (int64_t)seq;
	event->public.boot_ns = os_boot_ns();
	event->public.process = procobsrv_process_ref(NULL);
	event->position = seq;
	event->resume = seq + 1;
	snprintf(event->cursor, sizeof(event->cursor), "1:%llx", (unsigned long long)seq);
	if (sample->lost) {
		event->detail.lost = *sample->lost;
		event->public.lost = &event->detail.lost;
	}
	return &event->public;
}

void runner_put(struct sink_runner *runner, const struct procobsrv_event *sample, uint64_t seq)
{
	const struct procobsrv_event *event = runner_make_event(sample, seq);

	sink_runner_put(runner, event, seq);
	procobsrv_event_unref(event);
}

void runner_block(bool blocks)
{
	pthread_mutex_lock(&probe.lock);
	probe.blocks = blocks;
	pthread_cond_broadcast(&probe.changed);
	pthread_mutex_unlock(&probe.lock);
}

void runner_wait_in_write(void)
{
	pthread_mutex_lock(&probe.lock);
	while (!probe.in_write)
		pthread_cond_wait(&probe.changed, &probe.lock);
	pthread_mutex_unlock(&probe.lock);
}

struct sink_runner_statistics runner_ask(struct sink_runner *runner)
{
	struct sink_runner_statistics statistics;

	sink_runner_statistics(runner, &statistics);
	return statistics;
}

void runner_nap(void)
{
	const struct timespec duration = {.tv_nsec = 2000000};

	nanosleep(&duration, NULL);
}
