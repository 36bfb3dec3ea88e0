/* SPDX-License-Identifier: MIT */
/* The part of the service that is asked for metrics: collects the figures of all others. */
#include "metrics_part.h"

#include "error.h"
#include "metrics.h"
#include "metrics_server.h"
#include "server_part.h"

#include <stdlib.h>
#include <string.h>

struct service_part {
	struct service *service;
	struct metrics_server *server;
};

/* The sinks of one answer. */
struct sink_list {
	struct sink_runner_statistics *sinks; /* owned, and so are their names */
	size_t count;
	size_t capacity;
	bool failed; /* out of memory: one is missing */
};

static void add_sink(const struct sink_runner_statistics *statistics, void *param)
{
	struct sink_list *list = param;
	char *name = strdup(statistics->name);

	if (name != NULL && list->count == list->capacity) {
		size_t capacity = list->capacity > 0 ? 2 * list->capacity : 8;
		struct sink_runner_statistics *sinks =
		    reallocarray(list->sinks, capacity, sizeof(*sinks));

		if (sinks != NULL) {
			list->sinks = sinks;
			list->capacity = capacity;
		}
	}
	if (name == NULL || list->count == list->capacity) {
		free(name);
		list->failed = true;
		return;
	}
	list->sinks[list->count] = *statistics;
	list->sinks[list->count].name = name;
	list->sinks[list->count++].section = NULL; /* valid during the visit only */
}

static void free_sinks(struct sink_list *list)
{
	for (size_t index = 0; index < list->count; index++)
		free((char *)list->sinks[index].name);
	free(list->sinks);
}

static void add_readers(struct service_part *readers, void *param)
{
	struct metrics *metrics = param;

	metrics->has_readers = true;
	server_part_figures(readers, &metrics->readers);
}

static void collect(struct service_part *part, struct metrics *metrics, struct sink_list *list)
{
	struct procobsrv *monitor;

	*metrics = (struct metrics){.version = procobsrv_version(), .backend = ""};
	*list = (struct sink_list){0};
	service_visit_sinks(part->service, add_sink, list);
	metrics->sinks = list->sinks;
	metrics->sink_count = list->count;
	service_with_part(part->service, &service_part_readers, add_readers, metrics);
	service_statistics(part->service, &metrics->service);
	monitor = service_borrow_monitor(part->service);
	if (monitor != NULL) {
		metrics->backend = procobsrv_backend(monitor);
		procobsrv_statistics(monitor, &metrics->observer, sizeof(metrics->observer));
		service_return_monitor(part->service);
	}
	metrics->alive = monitor != NULL && service_is_alive(part->service);
	metrics_measure_process(metrics);
}

static void write_metrics(struct buffer *out, void *param)
{
	struct metrics metrics;
	struct sink_list list;

	collect(param, &metrics, &list);
	metrics_write(&metrics, out);
	out->failed |= list.failed;
	free_sinks(&list);
}

static bool write_health(struct buffer *out, void *param)
{
	struct metrics metrics;
	struct sink_list list;

	collect(param, &metrics, &list);
	bool healthy = metrics_write_health(&metrics, out);

	out->failed |= list.failed;
	free_sinks(&list);
	return healthy;
}

static int open_metrics(struct service *service, const struct configuration *configuration,
			struct service_part **part)
{
	struct service_part *made;
	int error;

	if (!configuration->metrics.enabled) {
		*part = NULL;
		return 0;
	}
	made = calloc(1, sizeof(*made));
	if (made == NULL)
		return error_set(PROCOBSRV_ERROR_MEMORY, "no memory to serve metrics");
	made->service = service;

	const struct metrics_server_pages pages = {write_metrics, write_health, made};

	error = metrics_server_open(&configuration->metrics, configuration->readers.group, &pages,
				    &made->server);
	if (error) {
		free(made);
		return error;
	}
	*part = made;
	return 0;
}

static int reload_metrics(struct service_part *part, const struct configuration *configuration)
{
	if (configuration->metrics.enabled &&
	    metrics_server_is_at(part->server, &configuration->metrics,
				 configuration->readers.group))
		return 0;
	return error_set(PROCOBSRV_ERROR_STATE, "metrics are served elsewhere now");
}

static void close_metrics(struct service_part *part)
{
	metrics_server_close(part->server);
	free(part);
}

const struct service_part_operations service_part_metrics = {
    .name = "metrics",
    .open = open_metrics,
    .event = NULL,
    .reload = reload_metrics,
    .close = close_metrics,
};
