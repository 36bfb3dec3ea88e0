/* SPDX-License-Identifier: MIT */
/* Into the queue, past it, and what passed it by: again. */
#include "sink_runner_private.h"

#include "error.h"

#include <inttypes.h>

#define PATIENCE_NS (1000 * SINK_RUNNER_MILLISECOND_NS)

/* ---- putting ---- */

/* As in the library: that something is missing is told whatever the expression. */
bool sink_runner_wants(const struct sink_runner *runner, const struct procobsrv_event *event)
{
	if ((runner->kinds & PROCOBSRV_KIND_BIT(event->kind)) == 0)
		return false;
	return !runner->filter || event->kind == PROCOBSRV_LOST ||
	       filter_match(runner->filter, event);
}

static bool is_full(const struct sink_runner *runner)
{
	return event_queue_full(&runner->queue, runner->queue_count, SINK_RUNNER_BYTES_MAX);
}

static void lose(struct sink_runner *runner, const struct procobsrv_event *event, uint64_t ordinal)
{
	event_queue_lose(&runner->queue, event, ordinal);
	runner->statistics
	    .lost[(unsigned)event->kind < SINK_RUNNER_KINDS ? (unsigned)event->kind : 0]++;
}

/* What was lost before is told first; without room or memory for both, this one is lost too. */
static bool put_in_place(struct sink_runner *runner, const struct procobsrv_event *event,
			 uint64_t ordinal)
{
	if (is_full(runner))
		return false;
	if ((runner->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_LOST)) == 0)
		runner->queue.gap = (struct event_queue_gap){0};
	else if (!event_queue_tell(&runner->queue))
		return false;
	return event_queue_put(&runner->queue, event, ordinal);
}

static void take_offer(struct sink_runner *runner, const struct procobsrv_event *event,
		       uint64_t ordinal)
{
	if (!runner->operations->durable)
		return;
	procobsrv_event_unref(runner->offered);
	runner->offered = procobsrv_event_ref(event);
	runner->offered_ordinal = ordinal;
}

static bool holds_back(const struct sink_runner *runner)
{
	return runner->operations->durable &&
	       !(runner->operations->yields && runner->statistics.failing);
}

/* Whether events may begin to pass it by: it fails, or has not come round for long. */
static bool go_behind(struct sink_runner *runner, uint64_t ordinal, uint64_t *since_ns)
{
	uint64_t now = os_monotonic_ns();

	if (!*since_ns)
		*since_ns = now;
	if (!runner->statistics.failing && now - *since_ns < PATIENCE_NS)
		return false;
	if (!sink_behind_begin(&runner->behind, ordinal))
		return false;
	service_log(PRIORITY_WARNING,
		    "sink %s: its queue is full; what comes now passes it by, and is told to it "
		    "again when it works",
		    runner->statistics.name);
	return true;
}

static bool pass(struct sink_runner *runner, const struct procobsrv_event *event, uint64_t ordinal)
{
	bool held = runner->behind.holds;

	if (sink_behind_pass(&runner->behind, event, ordinal))
		return true;
	if (!held)
		service_log(PRIORITY_WARNING,
			    "sink %s: %" PRIu64 " events have passed it by, and no more may "
			    "(behind-size); all others wait for it from now on",
			    runner->statistics.name, runner->behind.waiting);
	return false;
}

/* Into the queue, or past it. False: there is no room for it, and it does not wait. */
static bool offer(struct sink_runner *runner, const struct procobsrv_event *event, uint64_t ordinal,
		  bool wanted)
{
	uint64_t since_ns = 0;

	while (!runner->released) {
		if (runner->behind.is) {
			if (pass(runner, event, ordinal))
				return true;
		} else if ((!wanted && !runner->operations->see) ||
			   put_in_place(runner, event, ordinal)) {
			runner->statistics.filtered += !wanted;
			take_offer(runner, event, ordinal);
			return true;
		} else if (!holds_back(runner)) {
			runner->statistics.filtered += !wanted;
			return false;
		} else if (go_behind(runner, ordinal, &since_ns)) {
			continue;
		}
		os_condition_wait(&runner->room, &runner->lock, PATIENCE_NS);
	}
	return true; /* the next run tells it */
}

void sink_runner_put(struct sink_runner *runner, const struct procobsrv_event *event,
		     uint64_t ordinal)
{
	pthread_mutex_lock(&runner->lock);
	bool wanted = sink_runner_wants(runner, event);
	if (!offer(runner, event, ordinal, wanted)) {
		if (wanted)
			lose(runner, event, ordinal);
		/* What is lost is safe in so far as nobody is to be told of it again. */
		if (runner->operations->yields) {
			runner->yielded = true;
			take_offer(runner, event, ordinal);
		}
	}
	bool wake = runner->sleeps;
	runner->sleeps = false;
	pthread_mutex_unlock(&runner->lock);
	if (wake)
		pthread_cond_signal(&runner->changed);
}

void sink_runner_leave_out(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	runner->statistics.filtered++;
	pthread_mutex_unlock(&runner->lock);
}

bool sink_runner_safe(struct sink_runner *runner, const struct procobsrv_event **event,
		      uint64_t *ordinal)
{
	pthread_mutex_lock(&runner->lock);
	/* Nothing waits: what was put last was taken, or was not for this sink. */
	bool idle = !runner->queue.count || runner->yielded;
	const struct procobsrv_event *safe = idle ? runner->offered : runner->safe;
	bool known = idle || safe;
	if (known) {
		*event = procobsrv_event_ref(safe);
		*ordinal = idle ? runner->offered_ordinal : runner->safe_ordinal;
	}
	pthread_mutex_unlock(&runner->lock);
	return known;
}

/* ---- catching up ---- */

/* What had passed by. False: out of memory. */
static bool put_again(struct sink_runner *runner, const struct procobsrv_event *event,
		      uint64_t ordinal)
{
	pthread_mutex_lock(&runner->lock);
	bool wanted = sink_runner_wants(runner, event);
	bool put = (!wanted && !runner->operations->see) ||
		   event_queue_put(&runner->queue, event, ordinal);
	runner->statistics.filtered += put && !wanted;
	if (put)
		take_offer(runner, event, ordinal);
	pthread_mutex_unlock(&runner->lock);
	procobsrv_event_unref(event);
	return put;
}

static bool may_put_again(struct sink_runner *runner)
{
	pthread_mutex_lock(&runner->lock);
	bool may =
	    runner->behind.is && !runner->behind.failed && !runner->released && !is_full(runner);
	pthread_mutex_unlock(&runner->lock);
	return may;
}

static void fail_behind(struct sink_runner *runner)
{
	service_log(PRIORITY_ERROR,
		    "sink %s: what passed it by cannot be read again: %s; all that is not safe "
		    "is told anew",
		    runner->statistics.name, procobsrv_explain());
	pthread_mutex_lock(&runner->lock);
	runner->behind.failed = true;
	pthread_mutex_unlock(&runner->lock);
	runner->behind.source->fail(runner->behind.param);
}

static void say_caught_up(struct sink_runner *runner, uint64_t told)
{
	pthread_mutex_lock(&runner->lock);
	pthread_cond_broadcast(&runner->room);
	pthread_mutex_unlock(&runner->lock);
	service_log(PRIORITY_NOTICE,
		    "sink %s: has caught up: %" PRIu64 " events were told to it again",
		    runner->statistics.name, told);
}

/* It works: fills its queue with what had passed by, or takes part again. */
void sink_runner_catch_up(struct sink_runner *runner)
{
	const struct procobsrv_event *event;
	uint64_t ordinal, told;
	int error = 0;

	if (!runner->operations->durable)
		return;
	pthread_mutex_lock(&runner->behind.reading);
	while (!error && may_put_again(runner)) {
		error = sink_behind_next(&runner->behind, &runner->lock, &event, &ordinal);
		if (!error && !put_again(runner, event, ordinal))
			error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory");
	}
	if (error && error != PROCOBSRV_ERROR_ENDED)
		fail_behind(runner);
	else if (error && sink_behind_end(&runner->behind, &runner->lock, false, &told))
		say_caught_up(runner, told);
	pthread_mutex_unlock(&runner->behind.reading);
}

void sink_runner_forget(struct sink_runner *runner)
{
	uint64_t told;

	pthread_mutex_lock(&runner->behind.reading);
	pthread_mutex_lock(&runner->lock);
	/* What is told anew is counted anew. */
	runner->statistics.filtered += runner->behind.waiting;
	pthread_mutex_unlock(&runner->lock);
	sink_behind_end(&runner->behind, &runner->lock, true, &told);
	pthread_mutex_unlock(&runner->behind.reading);
}
