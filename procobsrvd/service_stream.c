/* SPDX-License-Identifier: MIT */
/* The stream: from the monitor's handler to sinks and parts, and back what is safe. */
#include "service_private.h"

#include "catch_up.h"
#include "error.h"
#include "monitor.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_AGAIN_NS 200000

/* A dispatcher that does not come round for so long hangs; it does twice a second when idle. */
#define HANGS_NS UINT64_C(30000000000)

static const char *const stage_names[SERVICE_STAGES] = {
    [SERVICE_STAGE_KERNEL] = "kernel", [SERVICE_STAGE_QUEUE] = "queue",
    [SERVICE_STAGE_SPILL] = "spill",   [SERVICE_STAGE_MONITOR] = "monitor",
    [SERVICE_STAGE_OTHER] = "other",
};

const char *service_stage_name(enum service_stage stage)
{
	return (unsigned)stage < SERVICE_STAGES ? stage_names[stage] : "other";
}

/* ---- counting ---- */

static void count(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static void count_lost(struct service *service, const struct procobsrv_lost *lost)
{
	int stage = 0;

	while (stage < SERVICE_STAGE_OTHER && strcmp(stage_names[stage], lost->stage) != 0)
		stage++;
	count(&service->lost[stage][PROCOBSRV_START], lost->start);
	count(&service->lost[stage][PROCOBSRV_EXEC], lost->exec);
	count(&service->lost[stage][PROCOBSRV_EXEC_FAILED], lost->exec_failed);
	count(&service->lost[stage][PROCOBSRV_EXIT], lost->exit);
	count(&service->lost[stage][0], lost->unknown);
}

static void count_event(struct service *service, const struct procobsrv_event *event)
{
	count(&service->events[(unsigned)event->kind < SINK_RUNNER_KINDS ? event->kind : 0], 1);
	atomic_store_explicit(&service->event_ns, event->time_ns, memory_order_relaxed);
	if (event->kind == PROCOBSRV_LOST && event->lost)
		count_lost(service, event->lost);
}

void service_statistics(struct service *service, struct service_statistics *statistics)
{
	for (int kind = 0; kind < SINK_RUNNER_KINDS; kind++) {
		statistics->events[kind] = atomic_load(&service->events[kind]);
		for (int stage = 0; stage < SERVICE_STAGES; stage++)
			statistics->lost[stage][kind] = atomic_load(&service->lost[stage][kind]);
	}
	statistics->reloads = atomic_load(&service->reloads);
	statistics->reload_failures = atomic_load(&service->reload_failures);
	statistics->reload_failed = atomic_load(&service->reload_is_failed);
	statistics->started_ns = service->started_ns;
	statistics->reloaded_ns = atomic_load(&service->reloaded_ns);
	statistics->event_ns = atomic_load(&service->event_ns);
}

/* ---- handing on ---- */

/* Who empties the place does so first, and then waits until we are elsewhere. */
static bool enter(struct service *service, const void *taker, const void *again)
{
	if (taker && taker == again)
		return true;
	atomic_store(&service->inside, 0);
	return false;
}

static void hand_to_part(struct service *service, size_t index, const struct procobsrv_event *event)
{
	struct service_part *part = atomic_load(&service->parts[index]);

	if (!part || !service_parts[index]->event)
		return;
	atomic_store(&service->inside, (uintptr_t)part);
	if (enter(service, part, atomic_load(&service->parts[index])))
		service_parts[index]->event(part, event);
	atomic_store(&service->inside, 0);
}

/*
 * Whether the last run has handed it on. Durable sinks and readers know by themselves what they
 * have; the others would be told it twice. Who exists, and what is concluded, is told by each run.
 */
static bool is_repeat(struct service *service, const struct procobsrv_event *event)
{
	const struct event *object = (const struct event *)(const void *)event;

	if (!service->repeat_position || event->kind == PROCOBSRV_EXISTING ||
	    event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		return false;
	if (object->position <= service->repeat_position &&
	    service->monitor->dispatch.stream == service->repeat_stream)
		return true;
	service->repeat_position = 0;
	return false;
}

static bool hand_to_sink(struct service *service, size_t place, const struct procobsrv_event *event,
			 uint64_t ordinal, bool repeat)
{
	struct sink_runner *runner = atomic_load(&service->sinks[place]);

	if (!runner)
		return false;
	atomic_store(&service->inside, (uintptr_t)runner);
	if (!enter(service, runner, atomic_load(&service->sinks[place])))
		return true;
	if (repeat && place < SERVICE_DURABLE_FROM)
		sink_runner_leave_out(runner);
	else
		sink_runner_put(runner, event, ordinal);
	atomic_store(&service->inside, 0);
	return true;
}

/* With nobody to say what is safe, what was handed on is. */
static void note_handed(struct service *service, const struct procobsrv_event *event,
			uint64_t ordinal)
{
	pthread_mutex_lock(&service->safe_lock);
	const struct procobsrv_event *before = service->handed;
	service->handed = procobsrv_event_ref(event);
	service->handed_ordinal = ordinal;
	pthread_mutex_unlock(&service->safe_lock);
	procobsrv_event_unref(before);
}

void service_on_event(const struct procobsrv_event *event, void *param)
{
	struct service *service = param;
	uint64_t ordinal = atomic_load(&service->ordinal) + 1;
	bool durable = false, repeat = is_repeat(service, event);

	count_event(service, event);
	for (size_t index = 0; index < SERVICE_PARTS_MAX && service_parts[index]; index++)
		hand_to_part(service, index, event);
	for (size_t place = 0; place < SERVICE_SINKS_MAX; place++)
		durable |= hand_to_sink(service, place, event, ordinal, repeat) &&
			   place >= SERVICE_DURABLE_FROM;
	atomic_store(&service->ordinal, ordinal);
	if (catch_up_has_record(event) && !atomic_load(&service->released))
		service->handed_position = ((const struct event *)(const void *)event)->position;
	atomic_store_explicit(&service->came_round_ns, os_monotonic_ns(), memory_order_relaxed);
	if (!durable)
		note_handed(service, event, ordinal);
}

bool service_is_alive(struct service *service)
{
	uintptr_t inside = atomic_load(&service->inside);

	if (os_monotonic_ns() - atomic_load(&service->came_round_ns) < HANGS_NS)
		return true;
	for (size_t place = SERVICE_DURABLE_FROM; inside && place < SERVICE_SINKS_MAX; place++)
		if (inside == (uintptr_t)atomic_load(&service->sinks[place]))
			return true;
	return false;
}

/* ---- what is safe ---- */

/* The last event that every durable sink has; false: there is none yet. */
static bool find_safe(struct service *service, const struct procobsrv_event **event,
		      uint64_t *ordinal)
{
	uint64_t least = UINT64_MAX;
	const struct procobsrv_event *found = NULL;
	bool all = true;

	pthread_mutex_lock(&service->places_lock);
	for (size_t place = SERVICE_DURABLE_FROM; all && place < SERVICE_SINKS_MAX; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		const struct procobsrv_event *its;
		uint64_t its_ordinal;

		if (!runner)
			continue;
		all = sink_runner_safe(runner, &its, &its_ordinal);
		if (!all || !its)
			continue;
		if (its_ordinal < least) {
			const struct procobsrv_event *before = found;
			least = its_ordinal;
			found = its;
			its = before;
		}
		procobsrv_event_unref(its);
	}
	pthread_mutex_unlock(&service->places_lock);
	if (!all || !found) {
		procobsrv_event_unref(found);
		return false;
	}
	*event = found;
	*ordinal = least;
	return true;
}

static void acknowledge_found(struct service *service, const struct procobsrv_event *event,
			      uint64_t ordinal)
{
	pthread_rwlock_rdlock(&service->monitor_lock);
	pthread_mutex_lock(&service->safe_lock);
	/* Nothing of an earlier run, and nothing that somebody is still to get. */
	bool fits = ordinal > service->acknowledged &&
		    ordinal >= atomic_load(&service->run_first) &&
		    ordinal <= atomic_load(&service->ordinal);
	if (fits && service->monitor && !procobsrv_acknowledge(service->monitor, event))
		service->acknowledged = ordinal;
	pthread_mutex_unlock(&service->safe_lock);
	pthread_rwlock_unlock(&service->monitor_lock);
}

void service_acknowledge(struct service *service)
{
	const struct procobsrv_event *event;
	uint64_t ordinal;

	if (service_has_durable(service)) {
		if (!find_safe(service, &event, &ordinal))
			return;
	} else {
		pthread_mutex_lock(&service->safe_lock);
		event = service->handed;
		ordinal = service->handed_ordinal;
		service->handed = NULL;
		pthread_mutex_unlock(&service->safe_lock);
		if (!event)
			return;
	}
	acknowledge_found(service, event, ordinal);
	procobsrv_event_unref(event);
}

/* ---- calls between two events ---- */

int service_call_between_events(struct service *service, void (*call)(void *param), void *param)
{
	struct service_between_call *entry = malloc(sizeof(*entry));

	if (!entry)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a call");
	*entry = (struct service_between_call){NULL, call, param};
	pthread_mutex_lock(&service->calls_lock);
	*service->calls_end = entry;
	service->calls_end = &entry->next;
	pthread_mutex_unlock(&service->calls_lock);
	struct procobsrv *monitor = service_borrow_monitor(service);
	if (monitor) {
		monitor_hasten(monitor);
		service_return_monitor(service);
	}
	return 0;
}

/* The next call, which is then being made; NULL: there is none. */
static struct service_between_call *take_call(struct service *service)
{
	pthread_mutex_lock(&service->calls_lock);
	struct service_between_call *entry = service->calls;
	if (entry)
		service->calls = entry->next;
	if (!service->calls)
		service->calls_end = &service->calls;
	atomic_store(&service->calling, entry ? (uintptr_t)entry->param : 0);
	pthread_mutex_unlock(&service->calls_lock);
	return entry;
}

void service_between(void *param)
{
	struct service *service = param;
	struct service_between_call *entry;

	atomic_store_explicit(&service->came_round_ns, os_monotonic_ns(), memory_order_relaxed);
	while ((entry = take_call(service))) {
		entry->call(entry->param);
		free(entry);
	}
}

void service_forget_calls(struct service *service, const void *param)
{
	const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};
	struct service_between_call **link = &service->calls;

	pthread_mutex_lock(&service->calls_lock);
	while (*link) {
		struct service_between_call *entry = *link;
		if (entry->param != param) {
			link = &entry->next;
			continue;
		}
		*link = entry->next;
		free(entry);
	}
	service->calls_end = link;
	pthread_mutex_unlock(&service->calls_lock);
	while (atomic_load(&service->calling) == (uintptr_t)param)
		nanosleep(&pause, NULL);
}

struct procobsrv *service_monitor(struct service *service)
{
	return service->monitor;
}

struct procobsrv *service_borrow_monitor(struct service *service)
{
	pthread_rwlock_rdlock(&service->monitor_lock);
	if (service->monitor)
		return service->monitor;
	pthread_rwlock_unlock(&service->monitor_lock);
	return NULL;
}

void service_return_monitor(struct service *service)
{
	pthread_rwlock_unlock(&service->monitor_lock);
}
