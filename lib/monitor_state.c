/* SPDX-License-Identifier: MIT */
/* What every thread of a monitor may ask and say: its state, and that it shall end. */
#include "monitor.h"

int monitor_need(const void *pointer, const char *function, const char *what)
{
	return pointer ? 0 : error_set(PROCOBSRV_ERROR_ARGUMENT, "%s: %s is NULL", function, what);
}

enum monitor_state monitor_state(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	enum monitor_state state = monitor->state;
	pthread_mutex_unlock(&monitor->lock);
	return state;
}

void monitor_set_state(struct procobsrv *monitor, enum monitor_state state)
{
	pthread_mutex_lock(&monitor->lock);
	monitor->state = state;
	pthread_mutex_unlock(&monitor->lock);
}

void monitor_request_stop(struct procobsrv *monitor, enum procobsrv_stop_mode mode)
{
	pthread_mutex_lock(&monitor->lock);
	if (mode == PROCOBSRV_STOP_DISCARD)
		atomic_store(&monitor->discard, true);
	if (monitor->state == MONITOR_RUNNING)
		monitor->state = MONITOR_STOPPING;
	if (monitor->source)
		monitor->operations->wake(monitor->source);
	pthread_mutex_unlock(&monitor->lock);
	if (mode == PROCOBSRV_STOP_DISCARD && monitor->queue) {
		queue_wake(monitor->queue);
		if (monitor->readable)
			os_event_set(monitor->readable);
	}
}

void monitor_set_between(struct procobsrv *monitor, void (*call)(void *param), void *param)
{
	monitor->between = call;
	monitor->between_param = param;
}

void monitor_hasten(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	/* Before that the queue may not be there yet, after it no more. */
	if (monitor->state == MONITOR_RUNNING || monitor->state == MONITOR_STOPPING)
		queue_wake(monitor->queue);
	pthread_mutex_unlock(&monitor->lock);
}
