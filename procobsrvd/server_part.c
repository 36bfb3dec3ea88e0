/* SPDX-License-Identifier: MIT */
#include "server_part.h"

#include "error.h"
#include "monitor.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Without these the table of a reader does not know who lives. */
#define NEEDED_KINDS                                                                               \
	(PROCOBSRV_KIND_BIT(PROCOBSRV_START) | PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC) |                \
	 PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT))

struct service_part {
	struct service *service;
	struct server *server;
	bool seeded; /* the dispatcher's */
	_Atomic bool closes;
};

/* On the dispatcher thread, before an event is taken, or between two. */
static void seed(void *param)
{
	struct service_part *part = param;
	struct procobsrv *monitor = part->seeded ? NULL : service_monitor(part->service);

	if (!monitor || atomic_load(&part->closes))
		return;
	pthread_mutex_lock(&monitor->lock);
	uint64_t position = monitor->acknowledged;
	pthread_mutex_unlock(&monitor->lock);
	server_seed(part->server, monitor, position);
	part->seeded = true;
}

static void request_seed(void *param)
{
	struct service_part *part = param;

	/* Else the next event does. */
	if (service_call_between_events(part->service, seed, part))
		service_log(PRIORITY_WARNING, "readers: %s", procobsrv_explain());
}

static struct procobsrv *borrow_monitor(void *param)
{
	const struct service_part *part = param;

	return service_borrow_monitor(part->service);
}

static void return_monitor(void *param)
{
	const struct service_part *part = param;

	service_return_monitor(part->service);
}

static struct server_options options_of(struct service_part *part,
					const struct configuration *configuration)
{
	const struct configuration_readers *readers = &configuration->readers;
	const struct configuration_observer *observer = &configuration->observer;

	return (struct server_options){
	    .socket = readers->socket,
	    .group = readers->group,
	    .own_processes = readers->own_processes,
	    .memory_size = readers->memory_size,
	    .count = readers->count,
	    .kinds = observer->kinds,
	    .partial = observer->match || (observer->kinds & NEEDED_KINDS) != NEEDED_KINDS,
	    .request_seed = request_seed,
	    .borrow_monitor = borrow_monitor,
	    .return_monitor = return_monitor,
	    .param = part,
	};
}

static int open_readers(struct service *service, const struct configuration *configuration,
			struct service_part **opened)
{
	struct service_part *part;

	*opened = NULL;
	if (!configuration->readers.enabled)
		return 0;
	part = calloc(1, sizeof *part);
	if (!part)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the readers' socket");
	part->service = service;
	struct server_options options = options_of(part, configuration);
	int error = server_open(&options, &part->server);
	if (error) {
		free(part);
		return error;
	}
	*opened = part;
	return 0;
}

static int start_readers(struct service_part *part)
{
	return server_start(part->server);
}

static void take_event(struct service_part *part, const struct procobsrv_event *event)
{
	seed(part);
	server_event(part->server, event);
}

static int reload_readers(struct service_part *part, const struct configuration *configuration)
{
	struct server_options options = options_of(part, configuration);

	if (configuration->readers.enabled && server_change(part->server, &options))
		return 0;
	return error_set(PROCOBSRV_ERROR_STATE, "readers are served elsewhere now");
}

static void close_readers(struct service_part *part)
{
	/* A call that is made now is waited for; one that a reader still causes does nothing. */
	atomic_store(&part->closes, true);
	service_forget_calls(part->service, part);
	server_close(part->server);
	service_forget_calls(part->service, part);
	free(part);
}

void server_part_figures(struct service_part *part, struct server_figures *figures)
{
	server_figures(part->server, figures);
}

const struct service_part_operations service_part_readers = {
    .name = "readers",
    .open = open_readers,
    .start = start_readers,
    .event = take_event,
    .reload = reload_readers,
    .close = close_readers,
};
