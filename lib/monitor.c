/* SPDX-License-Identifier: MIT */
#include "monitor.h"

#include "reader.h"
#include "resident.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- delivery ---- */

static void deliver_to_handler(struct event *event, void *param)
{
	struct procobsrv *monitor = param;

	monitor->last_delivered = monitor->dispatch.resume;
	monitor->options.handler.on_event(&event->public, monitor->options.handler.param);
	procobsrv_event_unref(&event->public);
}

static bool in_handler(const struct procobsrv *monitor)
{
	return taker_dispatching() == monitor;
}

/* ---- open and close ---- */

int procobsrv_open(const struct procobsrv_options *options, struct procobsrv **opened)
{
	int error = monitor_need(opened, "procobsrv_open", "the place for the monitor");

	if (error)
		return error;
	struct procobsrv *monitor = calloc(1, sizeof *monitor);
	if (!monitor)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a monitor");
	error = options_copy(options, &monitor->options);
	if (error)
		goto free_monitor;
	const char *match = monitor->options.match;
	if (match && (error = filter_compile(match, &monitor->filter)))
		goto free_options;
	if (!monitor_has_handler(monitor) && !(monitor->readable = os_event_create())) {
		error = error_set_errno(errno, "cannot create a descriptor to poll");
		goto free_filter;
	}
	if (pthread_mutex_init(&monitor->lock, NULL) || os_condition_init(&monitor->changed)) {
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a lock");
		goto destroy_event;
	}
	monitor->owner = os_process_id();
	*opened = monitor;
	return 0;

destroy_event:
	os_event_destroy(monitor->readable);
free_filter:
	filter_free(monitor->filter);
free_options:
	options_free(&monitor->options);
free_monitor:
	free(monitor);
	return error;
}

/* Ends the run whose threads have finished or are about to; leaves the monitor idle. */
static void join(struct procobsrv *monitor)
{
	if (monitor->dispatcher_runs)
		pthread_join(monitor->dispatcher, NULL);
	monitor->dispatcher_runs = false;
	taker_finish(monitor); /* if nobody took, the listener waits for nobody */
	if (monitor->listener_runs)
		pthread_join(monitor->listener, NULL);
	monitor->listener_runs = false;
	listener_close(monitor);
}

/* What a run needs besides its threads. */
static void clear_run(struct procobsrv *monitor)
{
	procobsrv_event_unref(monitor->current ? &monitor->current->public : NULL);
	monitor->current = NULL;
	taker_clear(monitor);
	pthread_mutex_lock(&monitor->lock);
	struct queue *queue = monitor->queue;
	monitor->queue = NULL;
	pthread_mutex_unlock(&monitor->lock);
	if (!queue)
		return;
	if (reader_leaves_files(monitor))
		queue_leave(queue);
	else
		queue_destroy(queue);
	dispatch_free(&monitor->dispatch);
}

/* In a forked child: there are no threads, the lock may be held by one of the parent's. */
static void close_forked(struct procobsrv *monitor)
{
	if (monitor->source)
		monitor->operations->close(monitor->source, true);
	/* The queue's files and the pollable descriptor are the parent's; their memory goes with
	 * us. */
	options_free(&monitor->options);
	filter_free(monitor->filter);
	free(monitor);
}

int procobsrv_close(struct procobsrv *monitor)
{
	if (!monitor)
		return 0;
	if (monitor->owner != os_process_id()) {
		close_forked(monitor);
		return 0;
	}
	if (in_handler(monitor))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "a monitor cannot be closed from its own handler: stop it there, "
				 "close it elsewhere");

	monitor_request_stop(monitor, PROCOBSRV_STOP_DISCARD);
	join(monitor);
	clear_run(monitor);
	os_event_destroy(monitor->readable);
	filter_free(monitor->filter);
	options_free(&monitor->options);
	pthread_cond_destroy(&monitor->changed);
	pthread_mutex_destroy(&monitor->lock);
	free(monitor);
	return 0;
}

/* ---- start and stop ---- */

static int check_may_start(struct procobsrv *monitor)
{
	int error = monitor_need(monitor, "procobsrv_start", "the monitor");

	if (error)
		return error;
	if (monitor->owner != os_process_id())
		return error_set(PROCOBSRV_ERROR_STATE,
				 "this monitor belongs to the process that was forked from");
	if (in_handler(monitor))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "a monitor cannot be started from its own handler");
	pthread_mutex_lock(&monitor->lock);
	enum monitor_state state = monitor->state;
	pthread_mutex_unlock(&monitor->lock);
	bool given_up = state == MONITOR_STOPPING && !monitor_has_handler(monitor);
	if (state != MONITOR_IDLE && state != MONITOR_ENDED && !given_up)
		return error_set(PROCOBSRV_ERROR_STATE, "the monitor runs already");
	return 0;
}

static int prepare_dispatch(struct procobsrv *monitor)
{
	struct dispatch *dispatch = &monitor->dispatch;
	int error = dispatch_init(dispatch);

	if (error)
		return error_set(error, "out of memory for the process table");
	dispatch->filter = monitor->filter;
	dispatch->kinds = monitor->options.kinds;
	dispatch->kernel_threads = monitor->options.source.kernel_threads;
	dispatch->env_names = (const char *const *)monitor->options.env;
	dispatch->redaction = monitor->options.redaction;
	dispatch->root_pid = monitor->options.source.root_pid;
	dispatch->drop_repeats = monitor->options.source.resident;
	dispatch->count_lost = monitor->options.source.resident;
	dispatch->deliver = monitor_has_handler(monitor) ? deliver_to_handler : fetch_deliver;
	dispatch->param = monitor;
	return 0;
}

static const char *spill_directory(const struct procobsrv *monitor)
{
	if (monitor->options.spill_directory || !monitor->options.source.resident)
		return monitor->options.spill_directory;
	return resident_spill_directory();
}

/* Told at the start, not by losses when the queue is full. */
static void try_spill(struct procobsrv *monitor, const struct queue_options *options)
{
	struct os_file *file;

	monitor->spill_refusal[0] = 0;
	if (!options->spill)
		return;
	if (!os_file_create_private(options->spill_directory, "procobsrv-try-", &file))
		os_file_close(file, true);
	else
		snprintf(monitor->spill_refusal, sizeof monitor->spill_refusal,
			 "what does not fit into the queue's memory will be lost: %s",
			 procobsrv_explain());
}

static int prepare_run(struct procobsrv *monitor)
{
	const struct queue_options queue_options = {
	    .memory_size = monitor->options.queue_size,
	    .spill = !(monitor->options.flags & PROCOBSRV_NO_SPILL),
	    .spill_directory = spill_directory(monitor),
	    .spill_keep = monitor->options.source.resident,
	    .spill_size = monitor->options.spill_size,
	    .readable = monitor->readable,
	};
	struct queue *queue;
	int error = queue_create(&queue_options, &queue);

	if (error)
		return error;
	if ((error = prepare_dispatch(monitor))) {
		queue_destroy(queue);
		return error;
	}
	pthread_mutex_lock(&monitor->lock);
	monitor->queue = queue;
	pthread_mutex_unlock(&monitor->lock);
	try_spill(monitor, &queue_options);
	monitor->resync = (struct resync){0};
	monitor->discard = false;
	monitor->stop_called = false;
	monitor->taker_done = false;
	monitor->drained = false;
	monitor->open_error = 0;
	monitor->end_error = 0;
	return 0;
}

static int start_dispatcher(struct procobsrv *monitor)
{
	if (!monitor_has_handler(monitor))
		return 0;

	int error = os_thread_start(&monitor->dispatcher, "procobsrv-event", taker_run, monitor);
	if (error)
		return error_set_errno(error, "cannot start the dispatcher thread");
	monitor->dispatcher_runs = true;
	return 0;
}

int procobsrv_start(struct procobsrv *monitor)
{
	int error = check_may_start(monitor);

	if (error)
		return error;
	join(monitor);
	clear_run(monitor);
	if ((error = prepare_run(monitor)))
		return error;
	if ((error = listener_start(monitor)))
		goto fail;
	monitor->dispatch.read_argv = monitor->operations->read_argv;
	monitor->dispatch.cgroups.read_path = monitor->operations->read_cgroup;
	monitor->dispatch.tree_only = monitor->operations->tree_only;
	if ((error = taker_prepare(monitor)))
		goto fail;
	if ((error = start_dispatcher(monitor)))
		goto fail;
	if (monitor->readable)
		fetch_set_readable(monitor, false);
	return 0;

fail:;
	char explanation[ERROR_TEXT_SIZE];
	error_save(explanation);
	monitor_request_stop(monitor, PROCOBSRV_STOP_DISCARD);
	join(monitor);
	clear_run(monitor);
	monitor_set_state(monitor, MONITOR_IDLE);
	error_restore(explanation);
	return error;
}

/* With procobsrv_next(): until all that can be fetched is in the queue. */
static void wait_until_drained(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	while (!monitor->drained && monitor->state != MONITOR_ENDED)
		pthread_cond_wait(&monitor->changed, &monitor->lock);
	pthread_mutex_unlock(&monitor->lock);
}

/* 0 or TIMEOUT. */
static int wait_for_end(struct procobsrv *monitor, int timeout_ms)
{
	uint64_t now = os_monotonic_ns();
	uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : now + (uint64_t)timeout_ms * 1000000;
	int error = 0;

	pthread_mutex_lock(&monitor->lock);
	while (monitor->state != MONITOR_ENDED && monitor->state != MONITOR_IDLE && !error) {
		if (deadline == UINT64_MAX)
			pthread_cond_wait(&monitor->changed, &monitor->lock);
		else if ((now = os_monotonic_ns()) < deadline)
			os_condition_wait(&monitor->changed, &monitor->lock, deadline - now);
		else
			error = PROCOBSRV_ERROR_TIMEOUT;
	}
	pthread_mutex_unlock(&monitor->lock);
	return error ? error_set(error, "the monitor has not ended yet") : 0;
}

int procobsrv_stop(struct procobsrv *monitor, enum procobsrv_stop_mode mode)
{
	int error = monitor_need(monitor, "procobsrv_stop", "the monitor");

	if (error)
		return error;
	if (mode != PROCOBSRV_STOP_DRAIN && mode != PROCOBSRV_STOP_DISCARD)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "procobsrv_stop: no mode %d", mode);
	enum monitor_state state = monitor_state(monitor);
	bool stopped = atomic_exchange(&monitor->stop_called, true);
	if (state == MONITOR_IDLE || (state == MONITOR_ENDED && stopped))
		return error_set(PROCOBSRV_ERROR_STATE, "the monitor does not run");

	/* It may have ended by itself meanwhile, with its tree: then this is no mistake. */
	monitor_request_stop(monitor, mode);
	if (in_handler(monitor))
		return 0;
	if (monitor_has_handler(monitor))
		return wait_for_end(monitor, -1);
	wait_until_drained(monitor);
	return 0;
}

int procobsrv_wait(struct procobsrv *monitor, int timeout_ms)
{
	int error = monitor_need(monitor, "procobsrv_wait", "the monitor");

	if (error)
		return error;
	if (in_handler(monitor))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "a handler cannot wait for its own monitor to end");
	if ((error = wait_for_end(monitor, timeout_ms)))
		return error;
	pthread_mutex_lock(&monitor->lock);
	error = monitor->end_error;
	if (error)
		error_set(error, "%s", monitor->end_explanation);
	pthread_mutex_unlock(&monitor->lock);
	return error;
}
