/* SPDX-License-Identifier: MIT */
#include "names.h"
#include "observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_event(const struct procobsrv_event *event, void *param)
{
	struct observation *observation = param;
	struct seen seen;

	seen_from_event(&seen, event);
	pthread_mutex_lock(&observation->mutex);
	laws_feed(observation->laws, &seen);
	if (!observation->forget) {
		if (observation->count == observation->capacity) {
			observation->capacity =
			    observation->capacity ? observation->capacity * 2 : 1024;
			observation->events = must_grow(observation->events, observation->capacity,
							sizeof(*observation->events));
		}
		observation->events[observation->count] = procobsrv_event_ref(event);
	}
	observation->count++;
	pthread_mutex_unlock(&observation->mutex);
	if (observation->also)
		observation->also(event, observation->param);
	if (observation->sleep_us)
		usleep(observation->sleep_us);
}

void observe_start(struct observation *observation, const struct procobsrv_options *options)
{
	struct procobsrv_options own = {.size = sizeof(own)};
	int error;

	if (options)
		own = *options;
	own.handler.on_event = on_event;
	own.handler.param = observation;
	pthread_mutex_init(&observation->mutex, NULL);
	observation->laws = laws_create();
	error = procobsrv_open(&own, &observation->monitor);
	EXPECT(!error, "open: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	error = procobsrv_start(observation->monitor);
	observation->started_ns = live_boot_ns();
	EXPECT(!error, "start: %s: %s", procobsrv_strerror(error), procobsrv_explain());
}

void observe_start_kinds(struct observation *observation, uint32_t more_kinds)
{
	struct procobsrv_options options = {
	    .size = sizeof(options),
	    .kinds = PROCOBSRV_KINDS_DEFAULT | more_kinds,
	};

	observe_start(observation, &options);
}

static void check_statistics(const struct observation *observation)
{
	const struct procobsrv_statistics *all = &observation->statistics;

	EXPECT(all->observed == all->delivered + all->filtered + all->lost + all->pending,
	       "observed %" PRIu64 " != delivered %" PRIu64 " + filtered %" PRIu64
	       " + lost %" PRIu64 " + pending %" PRIu64,
	       all->observed, all->delivered, all->filtered, all->lost, all->pending);
	EXPECT(!all->pending, "%" PRIu64 " events pending after the stop", all->pending);
	EXPECT(all->lost == laws_lost(observation->laws),
	       "the statistics say %" PRIu64 " lost, the events %" PRIu64, all->lost,
	       laws_lost(observation->laws));
	EXPECT(all->lost == 0 || observation->may_lose, "%" PRIu64 " events lost", all->lost);
}

void observe_stop(struct observation *observation)
{
	int error = procobsrv_stop(observation->monitor, PROCOBSRV_STOP_DRAIN);
	const char *breach;

	EXPECT(!error, "stop: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	error = procobsrv_statistics(observation->monitor, &observation->statistics,
				     sizeof(observation->statistics));
	EXPECT(!error, "statistics: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	error = procobsrv_close(observation->monitor);
	EXPECT(!error, "close: %s: %s", procobsrv_strerror(error), procobsrv_explain());
	observation->monitor = NULL;
	breach = laws_breach(observation->laws);
	EXPECT(!breach, "%s", breach);
	check_statistics(observation);
}

void observe_free(struct observation *observation)
{
	for (size_t i = 0; i < observation->count && !observation->forget; i++)
		procobsrv_event_unref(observation->events[i]);
	free(observation->events);
	laws_free(observation->laws);
	pthread_mutex_destroy(&observation->mutex);
	memset(observation, 0, sizeof(*observation));
}

static bool is_root(const struct procobsrv_event *event, pid_t root)
{
	return event->kind == PROCOBSRV_START && event->process->pid == (uint32_t)root &&
	       event->parent && event->parent->pid == (uint32_t)getpid();
}

static bool descends(const struct procobsrv_event *event, const struct names *ids)
{
	return event->kind == PROCOBSRV_START &&
	       ((event->parent && names_find(ids, event->parent->id) != NAMES_NONE) ||
		(event->creator && names_find(ids, event->creator->id) != NAMES_NONE));
}

void tree_of(const struct observation *observation, pid_t root, struct tree *tree)
{
	struct names *ids = names_create();
	size_t roots = 0;
	bool added;

	tree->events = must_allocate(observation->count + 1, sizeof(*tree->events));
	tree->count = 0;
	for (size_t i = 0; i < observation->count; i++) {
		const struct procobsrv_event *event = observation->events[i];

		if (!event->process)
			continue;
		if (is_root(event, root) || descends(event, ids)) {
			roots += is_root(event, root);
			names_add(ids, event->process->id, &added);
		}
		if (names_find(ids, event->process->id) != NAMES_NONE)
			tree->events[tree->count++] = event;
	}
	names_free(ids);
	EXPECT(roots == 1, "the start of the workload %d was told %zu times, not once", (int)root,
	       roots);
}

void tree_free(struct tree *tree)
{
	free(tree->events);
	*tree = (struct tree){0};
}

static bool is(const struct procobsrv_event *event, enum procobsrv_kind kind, uint32_t pid)
{
	return event->kind == kind && (!pid || event->process->pid == pid);
}

size_t tree_count(const struct tree *tree, enum procobsrv_kind kind, uint32_t pid)
{
	size_t count = 0;

	for (size_t i = 0; i < tree->count; i++)
		count += is(tree->events[i], kind, pid);
	return count;
}

const struct procobsrv_event *tree_at(const struct tree *tree, enum procobsrv_kind kind,
				      uint32_t pid, size_t index)
{
	size_t at = index;

	for (size_t i = 0; i < tree->count; i++)
		if (is(tree->events[i], kind, pid) && !at--)
			return tree->events[i];
	live_fail(__FILE__, __LINE__, "%s number %zu of pid %u was not told",
		  procobsrv_kind_name(kind), index + 1, pid);
}

const struct procobsrv_event *tree_one(const struct tree *tree, enum procobsrv_kind kind,
				       uint32_t pid)
{
	size_t count = tree_count(tree, kind, pid);

	EXPECT(count == 1, "%s of pid %u was told %zu times, not once", procobsrv_kind_name(kind),
	       pid, count);
	return tree_at(tree, kind, pid, 0);
}
