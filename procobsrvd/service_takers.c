/* SPDX-License-Identifier: MIT */
/* Who takes events: the sinks and the parts, as the configuration has them. Main thread. */
#include "service_private.h"

#include "error.h"
#include "os.h"

#include <string.h>
#include <time.h>

#define LOOK_AGAIN_NS 200000
#define FLUSH_NS      UINT64_C(2000000000) /* for a sink that is not wanted any more */

/* Until the dispatcher is elsewhere. A durable sink that holds it back was released before. */
static void wait_outside(struct service *service, const void *taker)
{
	const struct timespec pause = {.tv_nsec = LOOK_AGAIN_NS};

	while (atomic_load(&service->inside) == (uintptr_t)taker)
		nanosleep(&pause, NULL);
}

bool service_has_durable(struct service *service)
{
	for (size_t place = SERVICE_DURABLE_FROM; place < SERVICE_SINKS_MAX; place++)
		if (atomic_load_explicit(&service->sinks[place], memory_order_relaxed))
			return true;
	return false;
}

/* ---- sinks ---- */

static void on_progress(void *param)
{
	service_acknowledge(param);
}

static void empty_place(struct service *service, size_t place)
{
	pthread_mutex_lock(&service->places_lock);
	atomic_store(&service->sinks[place], NULL);
	pthread_mutex_unlock(&service->places_lock);
}

void service_remove_sink(struct service *service, size_t place)
{
	struct sink_runner *runner = atomic_load(&service->sinks[place]);

	if (!runner)
		return;
	sink_runner_release(runner);
	wait_outside(service, runner);
	if (!sink_runner_flush(runner, FLUSH_NS))
		service_log(PRIORITY_WARNING,
			    "sink %s: it is not configured any more, and could not take what "
			    "waited for it",
			    sink_runner_name(runner));
	empty_place(service, place);
	/* It may have looked before the place was empty. */
	wait_outside(service, runner);
	sink_runner_stop(runner);
}

static bool is_same(const struct sink_runner *runner, const struct configuration_sink *sink)
{
	return sink_runner_operations(runner) == sink->operations &&
	       !strcmp(sink_runner_name(runner), sink->name);
}

/* The place of a sink, or one that is free; SERVICE_SINKS_MAX: there is none. */
static size_t find_place(struct service *service, const struct configuration_sink *sink)
{
	size_t from = sink->operations->durable ? SERVICE_DURABLE_FROM : 0;
	size_t to = sink->operations->durable ? SERVICE_SINKS_MAX : SERVICE_DURABLE_FROM;
	size_t found = SERVICE_SINKS_MAX;

	for (size_t place = from; place < to; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		if (runner && is_same(runner, sink))
			return place;
		if (!runner && found == SERVICE_SINKS_MAX)
			found = place;
	}
	return found;
}

static void take_sink(struct service *service, const struct configuration *configuration,
		      const struct configuration_sink *sink)
{
	const struct sink_runner_listener listener = {on_progress, &service_behind, service};
	size_t place = find_place(service, sink);
	struct sink_runner *runner;
	int error;

	if (place == SERVICE_SINKS_MAX) {
		service_log(PRIORITY_ERROR,
			    "sink %s: there are more sinks than the service has places (%u, "
			    "and %u that are durable)",
			    sink->name, SERVICE_DURABLE_FROM,
			    SERVICE_SINKS_MAX - SERVICE_DURABLE_FROM);
		return;
	}
	runner = atomic_load(&service->sinks[place]);
	if (runner) {
		error = sink_runner_change(runner, configuration, sink);
	} else {
		error = sink_runner_start(configuration, sink, &listener, &runner);
		if (!error)
			atomic_store(&service->sinks[place], runner);
	}
	if (error)
		service_log(PRIORITY_ERROR, "sink %s: %s", sink->name, procobsrv_explain());
}

void service_take_sinks(struct service *service, const struct configuration *configuration)
{
	for (size_t place = 0; place < SERVICE_SINKS_MAX; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		bool wanted = false;

		for (size_t index = 0; runner && index < configuration->sink_count; index++)
			wanted |= is_same(runner, &configuration->sinks[index]);
		if (runner && !wanted)
			service_remove_sink(service, place);
	}
	for (size_t index = 0; index < configuration->sink_count; index++)
		take_sink(service, configuration, &configuration->sinks[index]);
}

void service_visit_sinks(struct service *service,
			 void (*visit)(const struct sink_runner_statistics *statistics,
				       void *param),
			 void *param)
{
	struct sink_runner_statistics statistics;

	pthread_mutex_lock(&service->places_lock);
	for (size_t place = 0; place < SERVICE_SINKS_MAX; place++) {
		struct sink_runner *runner = atomic_load(&service->sinks[place]);
		if (!runner)
			continue;
		sink_runner_statistics(runner, &statistics);
		visit(&statistics, param);
	}
	pthread_mutex_unlock(&service->places_lock);
}

/* ---- parts ---- */

void service_remove_part(struct service *service, size_t index)
{
	struct service_part *part = atomic_load(&service->parts[index]);

	if (!part)
		return;
	pthread_mutex_lock(&service->places_lock);
	atomic_store(&service->parts[index], NULL);
	pthread_mutex_unlock(&service->places_lock);
	wait_outside(service, part);
	service_parts[index]->close(part);
}

static int open_part(struct service *service, const struct configuration *configuration,
		     size_t index)
{
	const struct service_part_operations *operations = service_parts[index];
	struct service_part *part = NULL;
	char explanation[ERROR_TEXT_SIZE];
	int error = operations->open(service, configuration, &part);

	if (error)
		return error;
	atomic_store(&service->parts[index], part);
	if (!part || !operations->start || !(error = operations->start(part)))
		return 0;
	error_save(explanation);
	service_remove_part(service, index);
	error_restore(explanation);
	return error;
}

static int take_part(struct service *service, const struct configuration *configuration,
		     size_t index)
{
	const struct service_part_operations *operations = service_parts[index];
	struct service_part *part = atomic_load(&service->parts[index]);
	int error = PROCOBSRV_ERROR_STATE;

	if (part && operations->reload)
		error = operations->reload(part, configuration);
	if (error != PROCOBSRV_ERROR_STATE)
		return error;
	service_remove_part(service, index);
	return open_part(service, configuration, index);
}

int service_take_parts(struct service *service, const struct configuration *configuration,
		       bool strict)
{
	for (size_t index = 0; index < SERVICE_PARTS_MAX && service_parts[index]; index++) {
		int error = take_part(service, configuration, index);
		if (error && strict)
			return error;
		if (error)
			service_log(PRIORITY_ERROR, "%s: %s", service_parts[index]->name,
				    procobsrv_explain());
	}
	return 0;
}

bool service_with_part(struct service *service, const struct service_part_operations *operations,
		       void (*visit)(struct service_part *part, void *param), void *param)
{
	struct service_part *part = NULL;

	pthread_mutex_lock(&service->places_lock);
	for (size_t index = 0; index < SERVICE_PARTS_MAX && service_parts[index]; index++)
		if (service_parts[index] == operations)
			part = atomic_load(&service->parts[index]);
	if (part)
		visit(part, param);
	pthread_mutex_unlock(&service->places_lock);
	return part != NULL;
}
