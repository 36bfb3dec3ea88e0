/* SPDX-License-Identifier: MIT */
/* Events for those who own their loop: made in procobsrv_next(), kept in a list until fetched. */
#include "monitor.h"

void fetch_deliver(struct event *event, void *param)
{
	struct procobsrv *monitor = param;

	monitor->last_delivered = monitor->dispatch.resume;
	if (monitor->ready_last)
		monitor->ready_last->next = event;
	else
		monitor->ready_first = event;
	monitor->ready_last = event;
}

void fetch_set_readable(struct procobsrv *monitor, bool ended)
{
	struct queue_statistics queued;

	if (!monitor->ready_first && !ended && !taker_has_prepared(monitor)) {
		os_event_clear(monitor->readable);
		/* Looked at after clearing, so that what comes in between is not overlooked. */
		queue_statistics(monitor->queue, &queued);
		enum monitor_state state = monitor_state(monitor);
		if (!queued.waiting && state == MONITOR_RUNNING)
			return;
	}
	os_event_set(monitor->readable);
}

static struct event *pop_ready(struct procobsrv *monitor)
{
	struct event *event = monitor->ready_first;

	if (!event)
		return NULL;
	monitor->ready_first = event->next;
	if (!monitor->ready_first)
		monitor->ready_last = NULL;
	event->next = NULL;
	return event;
}

static int fetch(struct procobsrv *monitor, int timeout_ms)
{
	uint64_t now = os_monotonic_ns();
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		uint64_t left_ms = deadline > now ? (deadline - now + 999999) / 1000000 : 0;
		int wait_ms = left_ms < TAKER_IDLE_MS ? (int)left_ms : TAKER_IDLE_MS;
		int error = taker_step(monitor, wait_ms);

		if (monitor->ready_first)
			return 0;
		if (error == PROCOBSRV_ERROR_ENDED) {
			monitor_request_stop(monitor, PROCOBSRV_STOP_DISCARD);
			taker_finish(monitor);
			return error;
		}
		if (error && error != PROCOBSRV_ERROR_TIMEOUT)
			return error;
		now = os_monotonic_ns();
		if (error == PROCOBSRV_ERROR_TIMEOUT && now >= deadline)
			return error;
	}
}

/* Why there is no event: that there was none, or what the source could not do any more. */
static int explain(struct procobsrv *monitor, int error)
{
	pthread_mutex_lock(&monitor->lock);
	if (error == PROCOBSRV_ERROR_ENDED && monitor->end_error)
		error_set(error, "%s", monitor->end_explanation);
	else
		error_set(error, "%s", procobsrv_strerror(error));
	pthread_mutex_unlock(&monitor->lock);
	return error;
}

int procobsrv_next(struct procobsrv *monitor, int timeout_ms, const struct procobsrv_event **event)
{
	int error = monitor_need(monitor, "procobsrv_next", "the monitor");

	if (!error)
		error = monitor_need(event, "procobsrv_next", "the place for the event");
	if (error)
		return error;
	if (monitor_has_handler(monitor))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "this monitor hands its events to a handler");
	enum monitor_state state = monitor_state(monitor);
	if (state == MONITOR_IDLE)
		return error_set(PROCOBSRV_ERROR_STATE, "the monitor was not started");

	procobsrv_event_unref(monitor->current ? &monitor->current->public : NULL);
	monitor->current = NULL;
	if (!monitor->ready_first)
		error = state == MONITOR_ENDED ? PROCOBSRV_ERROR_ENDED : fetch(monitor, timeout_ms);
	if (!error)
		monitor->current = pop_ready(monitor);
	fetch_set_readable(monitor, error == PROCOBSRV_ERROR_ENDED);
	if (error)
		return explain(monitor, error);
	*event = &monitor->current->public;
	return 0;
}

intptr_t procobsrv_descriptor(const struct procobsrv *monitor)
{
	int error = monitor_need(monitor, "procobsrv_descriptor", "the monitor");

	if (error)
		return error;
	if (!monitor->readable)
		return error_set(PROCOBSRV_ERROR_STATE,
				 "this monitor hands its events to a handler");
	return os_event_handle(monitor->readable);
}
