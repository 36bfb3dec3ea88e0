/* SPDX-License-Identifier: MIT */
#include "sink_runner_private.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND_NS	  SINK_RUNNER_MILLISECOND_NS
#define BACK_OFF_LEAST_NS (100 * MILLISECOND_NS)
#define BACK_OFF_MOST_NS  (30000 * MILLISECOND_NS)
#define TEND_NS		  (1000 * MILLISECOND_NS)

/*
 * To wake a thread costs more than to hand an event on: after a batch the runner lets events gather
 * for a while. A durable sink makes a transaction of what has gathered.
 */
#define GATHER_NS	  (5 * MILLISECOND_NS)
#define GATHER_DURABLE_NS (20 * MILLISECOND_NS)

/* ---- failures ---- */

static uint64_t sum_lost(const struct sink_runner *runner)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < SINK_RUNNER_KINDS; kind++)
		sum += runner->statistics.lost[kind];
	return sum;
}

static void note_failure(struct sink_runner *runner)
{
	const char *text = procobsrv_explain();

	runner->failures++;
	runner->back_off_ns = runner->back_off_ns ? runner->back_off_ns * 2 : BACK_OFF_LEAST_NS;
	if (runner->back_off_ns > BACK_OFF_MOST_NS)
		runner->back_off_ns = BACK_OFF_MOST_NS;
	if (runner->failures == 1)
		service_log(PRIORITY_ERROR, "sink %s: %s; %s until it works again",
			    runner->statistics.name, text,
			    runner->operations->durable ? "its events wait"
							: "its events wait while there is room");
	pthread_mutex_lock(&runner->lock);
	runner->statistics.failures++;
	strncpy(runner->statistics.error, text, sizeof(runner->statistics.error) - 1);
	if (!runner->statistics.failing) {
		runner->statistics.failing = true;
		runner->statistics.failing_since_ns = os_wall_ns();
		runner->failing_from_ns = os_monotonic_ns();
		runner->lost_before = sum_lost(runner);
	}
	pthread_cond_broadcast(&runner->room); /* who waits need not */
	pthread_mutex_unlock(&runner->lock);
}

static void note_success(struct sink_runner *runner)
{
	if (!runner->failures)
		return;
	pthread_mutex_lock(&runner->lock);
	runner->statistics.failing = false;
	runner->statistics.failing_since_ns = 0;
	uint64_t lost = sum_lost(runner) - runner->lost_before;
	uint64_t waiting = runner->queue.count;
	pthread_mutex_unlock(&runner->lock);
	service_log(PRIORITY_NOTICE,
		    "sink %s: works again after %" PRIu64 " attempts in %" PRIu64 " ms; %" PRIu64
		    " events waited, %" PRIu64 " were lost",
		    runner->statistics.name, runner->failures,
		    (os_monotonic_ns() - runner->failing_from_ns) / MILLISECOND_NS, waiting, lost);
	runner->failures = 0;
	runner->back_off_ns = 0;
}

/* ---- the thread ---- */

static void close_sink(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->sink_lock);
	struct sink *sink = runner->sink;
	runner->sink = NULL;
	pthread_mutex_unlock(&runner->sink_lock);
	if (sink)
		runner->operations->close(sink);
}

static bool open_sink(struct sink_runner *runner)
{
	struct sink *sink;

	if (runner->operations->open(runner->present.sink->values, &sink)) {
		note_failure(runner);
		return false;
	}
	pthread_mutex_lock(&runner->sink_lock);
	runner->sink = sink;
	pthread_mutex_unlock(&runner->sink_lock);
	runner->tended_ns = os_monotonic_ns();
	return true;
}

/* What has been asked for since the last look. With the lock, which it gives up meanwhile. */
static void take_changes(struct sink_runner *runner)
{
	bool reopen = runner->reopen;
	struct settings before = {0};

	runner->reopen = false;
	if (runner->next.configuration) {
		before = runner->present;
		runner->present = runner->next;
		runner->next = (struct settings){0};
	}
	pthread_mutex_unlock(&runner->lock);
	if (before.configuration) {
		close_sink(runner);
		configuration_unref(before.configuration);
		runner->back_off_ns = 0;
	} else if (reopen && runner->sink && runner->operations->reopen &&
		   runner->operations->reopen(runner->sink)) {
		note_failure(runner);
		close_sink(runner);
	}
	pthread_mutex_lock(&runner->lock);
}

/* Those that it took are given back; who waits for room is told. */
static void finish_batch(struct sink_runner *runner, size_t count, size_t wanted)
{
	const struct procobsrv_event *before = NULL;

	pthread_mutex_lock(&runner->lock);
	uint64_t ordinal = event_queue_remove(&runner->queue, count);
	runner->statistics.taken += wanted;
	if (runner->operations->durable) {
		before = runner->safe;
		runner->safe = procobsrv_event_ref(runner->batch[count - 1]);
		runner->safe_ordinal = ordinal;
	}
	/* Nothing may come for long: what was lost at the end is told now. */
	if (runner->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_LOST))
		event_queue_tell(&runner->queue);
	runner->yielded &= runner->queue.count > 0;
	pthread_cond_broadcast(&runner->room);
	pthread_mutex_unlock(&runner->lock);

	procobsrv_event_unref(before);
	for (size_t index = 0; index < count; index++)
		procobsrv_event_unref(runner->batch[index]);
	if (runner->listener.on_progress)
		runner->listener.on_progress(runner->listener.param);
}

/* Shows it all of the batch; returns how many of it are for it, in runner->wanted. */
static size_t show_batch(struct sink_runner *runner, size_t count)
{
	size_t wanted = 0;

	for (size_t index = 0; index < count; index++)
		runner->operations->see(runner->sink, runner->batch[index]);
	pthread_mutex_lock(&runner->lock);
	for (size_t index = 0; index < count; index++) {
		if (sink_runner_wants(runner, runner->batch[index]))
			runner->wanted[wanted++] = runner->batch[index];
	}
	pthread_mutex_unlock(&runner->lock);
	return wanted;
}

/* One batch, and what is due once a second. False: it failed. */
static bool work(struct sink_runner *runner)
{
	if (!runner->sink && !open_sink(runner))
		return false;

	pthread_mutex_lock(&runner->lock);
	size_t count = event_queue_first(&runner->queue, SINK_RUNNER_BATCH, runner->batch);
	pthread_mutex_unlock(&runner->lock);
	const struct procobsrv_event *const *events = runner->batch;
	size_t wanted = count;
	if (runner->operations->see) {
		events = runner->wanted;
		wanted = show_batch(runner, count);
	}
	int error = 0;
	if (wanted)
		error = runner->operations->write(runner->sink, events, wanted);
	if (count && !error)
		finish_batch(runner, count, wanted);
	if (!error && runner->operations->tend &&
	    os_monotonic_ns() - runner->tended_ns >= TEND_NS) {
		error = runner->operations->tend(runner->sink);
		runner->tended_ns = os_monotonic_ns();
	}
	if (!error) {
		note_success(runner);
		return true;
	}
	note_failure(runner);
	/* Not the first time: what it has open may be what is wrong. */
	if (runner->failures > 1)
		close_sink(runner);
	return false;
}

/* Until something is asked for, or the time is over. With the lock. */
static void pause_for(struct sink_runner *runner, uint64_t duration_ns)
{
	uint64_t end = os_monotonic_ns() + duration_ns, now;

	while (!runner->stopping && !runner->next.configuration && !runner->reopen &&
	       (now = os_monotonic_ns()) < end)
		os_condition_wait(&runner->changed, &runner->lock, end - now);
}

/* Until there is something to do. With the lock. */
static void wait_for_work(struct sink_runner *runner)
{
	if (runner->queue.count < SINK_RUNNER_BATCH)
		pause_for(runner, runner->operations->durable ? GATHER_DURABLE_NS : GATHER_NS);
	if (runner->queue.count || runner->stopping || runner->next.configuration || runner->reopen)
		return;
	runner->sleeps = true;
	os_condition_wait(&runner->changed, &runner->lock, TEND_NS);
	runner->sleeps = false;
}

static void *run(void *param)
{
	struct sink_runner *runner = param;

	pthread_mutex_lock(&runner->lock);
	while (!runner->stopping) {
		if (runner->next.configuration || runner->reopen)
			take_changes(runner);
		pthread_mutex_unlock(&runner->lock);
		bool fine = work(runner);
		if (fine)
			sink_runner_catch_up(runner);
		pthread_mutex_lock(&runner->lock);
		if (fine)
			wait_for_work(runner);
		else
			pause_for(runner, runner->back_off_ns);
	}
	pthread_mutex_unlock(&runner->lock);
	close_sink(runner);
	return NULL;
}

/* ---- from outside ---- */

static int compile(const struct configuration_sink *sink, struct filter **filter)
{
	*filter = NULL;
	return sink->match ? filter_compile(sink->match, filter) : 0;
}

static int make_locks(struct sink_runner *runner)
{
	if (pthread_mutex_init(&runner->lock, NULL) ||
	    pthread_mutex_init(&runner->sink_lock, NULL) || os_condition_init(&runner->changed) ||
	    os_condition_init(&runner->room) ||
	    sink_behind_init(&runner->behind, runner->listener.source, runner->listener.param))
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a lock");
	return 0;
}

/* What is not the thread's, or the thread is gone. */
static void free_runner(struct sink_runner *runner)
{
	event_queue_free(&runner->queue);
	procobsrv_event_unref(runner->offered);
	procobsrv_event_unref(runner->safe);
	filter_free(runner->filter);
	configuration_unref(runner->present.configuration);
	configuration_unref(runner->next.configuration);
	free((char *)(uintptr_t)runner->statistics.name);
	free(runner);
}

int sink_runner_start(const struct configuration *configuration,
		      const struct configuration_sink *sink,
		      const struct sink_runner_listener *listener, struct sink_runner **started)
{
	struct sink_runner *runner = calloc(1, sizeof(*runner));
	int error = 0;

	if (!runner)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the sink %s",
				 sink->name);
	runner->operations = sink->operations;
	if (listener)
		runner->listener = *listener;
	runner->present = (struct settings){configuration_ref(configuration), sink};
	runner->kinds = sink->kinds;
	runner->queue_count = sink->queue_count;
	runner->statistics.section = sink->operations->name;
	runner->statistics.durable = sink->operations->durable;
	runner->statistics.name = strdup(sink->name);
	if (!runner->statistics.name)
		error =
		    error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the sink %s", sink->name);
	if (!error)
		error = compile(sink, &runner->filter);
	if (!error)
		error = make_locks(runner);
	if (!error) {
		int number = os_thread_start(&runner->thread, "procobsrvd-sink", run, runner);
		if (number)
			error = error_set_errno(number, "cannot start the thread of the sink %s",
						sink->name);
	}
	if (error)
		free_runner(runner);
	else
		*started = runner;
	return error;
}

int sink_runner_change(struct sink_runner *runner, const struct configuration *configuration,
		       const struct configuration_sink *sink)
{
	struct filter *filter;
	int error = compile(sink, &filter);

	if (error)
		return error;
	pthread_mutex_lock(&runner->lock);
	const struct settings *last = runner->next.configuration ? &runner->next : &runner->present;
	if (configuration_sink_equal(last->sink, sink)) {
		runner->reopen = true;
	} else {
		configuration_unref(runner->next.configuration);
		runner->next = (struct settings){configuration_ref(configuration), sink};
		struct filter *before = runner->filter;
		runner->filter = filter;
		filter = before;
		runner->kinds = sink->kinds;
		runner->queue_count = sink->queue_count;
	}
	pthread_cond_broadcast(&runner->changed);
	pthread_cond_broadcast(&runner->room);
	pthread_mutex_unlock(&runner->lock);
	filter_free(filter);
	return 0;
}

void sink_runner_release(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->released = true;
	pthread_cond_broadcast(&runner->room);
	pthread_mutex_unlock(&runner->lock);
}

void sink_runner_resume(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->released = false;
	pthread_mutex_unlock(&runner->lock);
}

bool sink_runner_flush(struct sink_runner *runner, uint64_t timeout_ns)
{
	uint64_t end = os_monotonic_ns() + timeout_ns, now;

	pthread_mutex_lock(&runner->lock);
	while (runner->queue.count && (now = os_monotonic_ns()) < end)
		os_condition_wait(&runner->room, &runner->lock, end - now);
	bool flushed = !runner->queue.count;
	pthread_mutex_unlock(&runner->lock);
	return flushed;
}

void sink_runner_stop(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->stopping = true;
	runner->released = true;
	pthread_cond_broadcast(&runner->changed);
	pthread_cond_broadcast(&runner->room);
	pthread_mutex_unlock(&runner->lock);
	pthread_join(runner->thread, NULL);
	sink_runner_forget(runner);
	sink_behind_destroy(&runner->behind);
	pthread_cond_destroy(&runner->changed);
	pthread_cond_destroy(&runner->room);
	pthread_mutex_destroy(&runner->lock);
	pthread_mutex_destroy(&runner->sink_lock);
	free_runner(runner);
}

const char *sink_runner_name(const struct sink_runner *runner)
{
	return runner->statistics.name;
}

const struct sink_operations *sink_runner_operations(const struct sink_runner *runner)
{
	return runner->operations;
}

void sink_runner_statistics(struct sink_runner *runner, struct sink_runner_statistics *statistics)
{
	const struct procobsrv_event *oldest;

	pthread_mutex_lock(&runner->lock);
	*statistics = runner->statistics;
	statistics->durable &= !runner->yielded;
	statistics->waiting = runner->queue.count + runner->behind.waiting;
	statistics->behind = runner->behind.waiting;
	statistics->is_behind = runner->behind.is;
	statistics->holds_back = runner->behind.holds;
	statistics->waiting_bytes = runner->queue.bytes;
	statistics->waiting_most = runner->queue_count;
	if (event_queue_first(&runner->queue, 1, &oldest)) {
		uint64_t now = os_boot_ns();
		statistics->lag_ns = now > oldest->boot_ns ? now - oldest->boot_ns : 1;
	}
	pthread_mutex_unlock(&runner->lock);

	pthread_mutex_lock(&runner->sink_lock);
	if (runner->sink)
		runner->operations->statistics(runner->sink, &statistics->sink);
	pthread_mutex_unlock(&runner->sink_lock);
}
