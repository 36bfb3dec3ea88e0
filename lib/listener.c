/* SPDX-License-Identifier: MIT */
/* The thread that owns the source: opens it, drains it into the queue, closes it. */
#include "monitor.h"

#include "reader.h"
#include "resident.h"

#include <stdio.h>
#include <string.h>

/* How long a drain may take to come to what the kernel has written when observing ended. */
#define LAST_DRAIN_NS 10000000000u

static void on_batch(const struct source_batch *batch, void *param)
{
	struct procobsrv *monitor = param;

	queue_append(monitor->queue, batch);
	if (!monitor->options.source.resident)
		monitor->operations->release(monitor->source, batch->resume);
}

static bool suits(const struct source_operations *operations, const struct monitor_options *options)
{
	return options->source.root_pid || !operations->tree_only;
}

/* Notes what this backend misses, why a better one was not taken, and what cannot wait on disk. */
static void note_limits(struct procobsrv *monitor, const char *refusals)
{
	const char *limits = monitor->operations->limits(monitor->source);

	const char *const parts[] = {limits ? limits : "", refusals, monitor->spill_refusal};

	monitor->limits[0] = 0;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		size_t used = strlen(monitor->limits);
		if (*parts[i])
			snprintf(monitor->limits + used, sizeof monitor->limits - used, "%s%s",
				 used ? "; " : "", parts[i]);
	}
}

static int open_backend(struct procobsrv *monitor, const struct source_operations *operations)
{
	struct source *source = NULL;
	int error = operations->open(&monitor->options.source, &source);

	if (error)
		return error;
	monitor->operations = operations;
	monitor->source = source;
	return 0;
}

static int open_any(struct procobsrv *monitor)
{
	char refusals[ERROR_TEXT_SIZE] = "";
	int first_error = 0;
	size_t used = 0;

	for (size_t i = 0; source_backends[i]; i++) {
		const struct source_operations *operations = source_backends[i];
		if (!suits(operations, &monitor->options))
			continue;
		int error = open_backend(monitor, operations);
		if (!error) {
			note_limits(monitor, refusals);
			return 0;
		}
		/* Only the resident observer can be read resident: no other will do. */
		if (monitor->options.source.resident)
			return error;
		if (!first_error)
			first_error = error;
		int length = snprintf(refusals + used, sizeof refusals - used, "%s%s: %s",
				      used ? "; " : "", operations->name, procobsrv_explain());
		if (length > 0 && used + (size_t)length < sizeof refusals)
			used += (size_t)length;
	}
	return error_set(first_error, "%s", refusals);
}

static int open_source(struct procobsrv *monitor)
{
	if (!monitor->options.backend)
		return open_any(monitor);

	const struct source_operations *operations = options_backend(monitor->options.backend);
	if (!suits(operations, &monitor->options))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "backend \"%s\" follows the tree of one process: set "
				 "options.root_pid",
				 operations->name);
	int error = open_backend(monitor, operations);
	if (!error)
		note_limits(monitor, "");
	return error;
}

static void publish_open(struct procobsrv *monitor, int error)
{
	pthread_mutex_lock(&monitor->lock);
	monitor->open_error = error;
	if (error)
		error_save(monitor->open_explanation);
	monitor->state = error ? MONITOR_ENDED : MONITOR_RUNNING;
	pthread_cond_broadcast(&monitor->changed);
	pthread_mutex_unlock(&monitor->lock);
}

static bool goes_on(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	bool running = monitor->state == MONITOR_RUNNING;
	pthread_mutex_unlock(&monitor->lock);
	return running;
}

/* Losses after which no record came are told by the counters alone: wakes the taker to look. */
static void look_for_losses(struct procobsrv *monitor, struct source_statistics *before)
{
	struct source_statistics now;

	if (monitor->operations->statistics(monitor->source, &now))
		return;
	bool grown = memcmp(now.skipped, before->skipped, sizeof now.skipped);
	for (size_t i = 0; !grown && i < now.sequence_count; i++)
		grown = memcmp(now.sequences[i].lost, before->sequences[i].lost,
			       sizeof now.sequences[i].lost);
	*before = now;
	if (!grown)
		return;
	queue_wake(monitor->queue);
	if (monitor->readable)
		os_event_set(monitor->readable);
}

/* Told to who waits for the end, or fetches until then. */
static void note_end(struct procobsrv *monitor, int error)
{
	if (error == PROCOBSRV_ERROR_ENDED)
		return;
	pthread_mutex_lock(&monitor->lock);
	monitor->end_error = error;
	error_save(monitor->end_explanation);
	pthread_mutex_unlock(&monitor->lock);
}

static void observe(struct procobsrv *monitor)
{
	struct source_statistics *seen = &monitor->last_statistics;

	memset(seen, 0, sizeof *seen);
	while (goes_on(monitor)) {
		uint64_t position = queue_position(monitor->queue);
		int error =
		    monitor->operations->drain(monitor->source, TAKER_IDLE_MS, on_batch, monitor);
		if (error) {
			note_end(monitor, error);
			break;
		}
		if (monitor->options.source.resident)
			reader_make_room(monitor);
		if (position == queue_position(monitor->queue))
			look_for_losses(monitor, seen);
	}
}

/* Observing has ended: takes what the kernel still holds. */
static void drain_rest(struct procobsrv *monitor)
{
	struct source_statistics *statistics = &monitor->last_statistics;
	uint64_t deadline = os_monotonic_ns() + LAST_DRAIN_NS;

	bool resident = monitor->options.source.resident;

	monitor->operations->detach(monitor->source);
	if (monitor_discards(monitor) ||
	    monitor->operations->statistics(monitor->source, statistics))
		return;
	while (os_monotonic_ns() < deadline) {
		/* A resident observer goes on: only what it had written by now is ours. */
		if (!resident && monitor->operations->statistics(monitor->source, statistics))
			return;
		if (queue_position(monitor->queue) >= statistics->produced)
			return;
		if (monitor->operations->drain(monitor->source, 0, on_batch, monitor))
			return;
	}
}

static void publish_drained(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	monitor->drained = true;
	pthread_cond_broadcast(&monitor->changed);
	pthread_mutex_unlock(&monitor->lock);
}

static void wait_for_taker(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	while (!monitor->taker_done)
		pthread_cond_wait(&monitor->changed, &monitor->lock);
	pthread_mutex_unlock(&monitor->lock);
}

static void close_source(struct procobsrv *monitor)
{
	struct source_statistics *statistics = &monitor->last_statistics;

	pthread_mutex_lock(&monitor->lock);
	struct source *source = monitor->source;
	monitor->operations->statistics(source, statistics);
	monitor->source = NULL;
	pthread_mutex_unlock(&monitor->lock);
	monitor->operations->close(source, false);
}

static void replay_leftovers(struct procobsrv *monitor)
{
	const char *directory = monitor->options.spill_directory;

	reader_replay_leftovers(monitor, directory ? directory : resident_spill_directory());
}

static void *run(void *param)
{
	struct procobsrv *monitor = param;
	int error = open_source(monitor);

	if (!error && monitor->options.source.resident)
		replay_leftovers(monitor);
	publish_open(monitor, error);
	if (error)
		return NULL;
	observe(monitor);
	monitor_request_stop(monitor, PROCOBSRV_STOP_DRAIN);
	drain_rest(monitor);
	queue_end(monitor->queue);
	publish_drained(monitor);
	/* Whoever takes may still ask the source for counters, or give room back. */
	wait_for_taker(monitor);
	/* The user of a resident observer may still say what is safe. */
	if (!monitor->options.source.resident)
		close_source(monitor);
	return NULL;
}

void listener_close(struct procobsrv *monitor)
{
	if (monitor->source)
		close_source(monitor);
}

int listener_start(struct procobsrv *monitor)
{
	monitor_set_state(monitor, MONITOR_OPENING);
	int error = os_thread_start(&monitor->listener, "procobsrv-listen", run, monitor);
	if (error) {
		monitor_set_state(monitor, MONITOR_IDLE);
		return error_set_errno(error, "cannot start the listener thread");
	}
	monitor->listener_runs = true;

	pthread_mutex_lock(&monitor->lock);
	while (monitor->state == MONITOR_OPENING)
		pthread_cond_wait(&monitor->changed, &monitor->lock);
	error = monitor->open_error;
	pthread_mutex_unlock(&monitor->lock);
	if (error)
		error_set(error, "%s", monitor->open_explanation);
	return error;
}
