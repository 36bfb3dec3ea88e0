/* SPDX-License-Identifier: MIT */
/* What passed a durable sink by: kept by the monitor, and read again beside it (sink_behind.h). */
#include "service_private.h"

#include "error.h"
#include "monitor.h"

/* On the dispatcher thread, which looks at the monitor without a lock. */
static bool begin(void *param)
{
	struct service *service = param;

	return monitor_keep(service->monitor, atomic_load(&service->behind_size));
}

static bool goes_on(void *param)
{
	const struct service *service = param;

	return monitor_keeps(service->monitor);
}

static void end(void *param)
{
	struct service *service = param;
	struct procobsrv *monitor = service_borrow_monitor(service);

	if (!monitor)
		return;
	monitor_keep_end(monitor);
	service_return_monitor(service);
}

static int open_again(void *param, uint64_t first, struct catch_up **again)
{
	struct service *service = param;
	struct procobsrv *monitor = service_borrow_monitor(service);

	if (!monitor)
		return error_set(PROCOBSRV_ERROR_STATE, "the service does not observe right now");
	int error = catch_up_open(monitor, first, again);
	service_return_monitor(service);
	return error;
}

static void fail(void *param)
{
	struct service *service = param;

	atomic_store(&service->tells_anew, true);
}

const struct sink_behind_source service_behind = {
    .begin = begin,
    .goes_on = goes_on,
    .end = end,
    .open = open_again,
    .next = catch_up_next,
    .conclude = catch_up_conclude,
    .close = catch_up_close,
    .fail = fail,
};
