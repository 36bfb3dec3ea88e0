/* SPDX-License-Identifier: MIT */
/* Takes from the queue and makes events: on the dispatcher thread, or in procobsrv_next(). */
#include "monitor.h"

#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define TAKE_MOST	   256
#define PREPARE_TIMEOUT_MS 10000
/* A resync walks all processes: during a long storm of losses not more often than this. */
#define RESYNC_INTERVAL_NS 200000000u

/* ---- before the first event: the table ---- */

static bool hold_record(struct monitor_held *held, const struct source_record *record)
{
	static const char padding[8];

	if (held->count == held->capacity) {
		size_t capacity = held->capacity ? held->capacity * 2 : 256;
		struct source_record *grown = realloc(held->records, capacity * sizeof *grown);
		if (!grown)
			return false;
		held->records = grown;
		held->capacity = capacity;
	}
	held->records[held->count] = *record;
	held->records[held->count++].data = (void *)held->bytes.size; /* an offset, for now */
	buffer_append(&held->bytes, record->data, record->size);
	buffer_append(&held->bytes, padding, -record->size & 7);
	return !held->bytes.failed;
}

static void seal_held(struct monitor_held *held)
{
	for (size_t i = 0; i < held->count; i++)
		held->records[i].data = held->bytes.data + (size_t)held->records[i].data;
}

static void free_held(struct monitor_held *held)
{
	buffer_free(&held->bytes);
	free(held->records);
	*held = (struct monitor_held){0};
}

static int hold_queued(struct procobsrv *monitor)
{
	struct monitor_held *held = &monitor->held;
	struct queue_batch batch;

	while (!queue_take(monitor->queue, 0, TAKE_MOST, &batch)) {
		held->stream = batch.stream;
		held->resume = batch.resume;
		for (size_t i = 0; i < batch.count; i++)
			if (!hold_record(held, &batch.records[i]))
				return error_set(PROCOBSRV_ERROR_MEMORY,
						 "out of memory for the first events");
	}
	seal_held(held);
	return 0;
}

/* Who was started in what is held: the stream tells them, not the snapshot. */
static struct dispatch_identity *find_started(const struct monitor_held *held, size_t *count)
{
	struct dispatch_identity *started = calloc(held->count + 1, sizeof *started);

	*count = 0;
	if (!started)
		return NULL;
	for (size_t i = 0; i < held->count; i++) {
		struct record_view view;
		if (record_decode(held->records[i].data, held->records[i].size, &view) ||
		    view.header->kind != RECORD_START)
			continue;
		started[(*count)++] =
		    (struct dispatch_identity){view.body->process.pid, view.body->process.start_ns};
	}
	qsort(started, *count, sizeof *started, resync_compare_identities);
	return started;
}

static int fill_table(struct procobsrv *monitor)
{
	size_t started_count;
	struct dispatch_identity *started;
	int error = resync_begin(&monitor->resync, monitor->operations, monitor->source);

	if (error)
		return error;
	monitor->operations->wake(monitor->source);
	if (!queue_wait_position(monitor->queue, monitor->resync.position, PREPARE_TIMEOUT_MS))
		return error_set(
		    PROCOBSRV_ERROR_SYSTEM,
		    "the observer's buffer was not drained within %d s: the machine is "
		    "overloaded, try again",
		    PREPARE_TIMEOUT_MS / 1000);
	if ((error = hold_queued(monitor)))
		return error;
	if (!(started = find_started(&monitor->held, &started_count)))
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the process table");
	error = resync_fill(&monitor->resync, &monitor->dispatch, started, started_count,
			    &monitor->existing, &monitor->existing_count);
	free(started);
	return error;
}

/* Everything in the table, for who wants to be told what existed. */
static int list_existing(struct procobsrv *monitor)
{
	const struct process_table *table = &monitor->dispatch.table;

	monitor->existing = calloc(table->count + 1, sizeof *monitor->existing);
	if (!monitor->existing)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the process table");
	for (size_t i = 0; i < table->capacity; i++)
		if (table->entries[i].pid)
			monitor->existing[monitor->existing_count++] =
			    procobsrv_process_ref(table->entries[i].process);
	return 0;
}

/* The table is taken over from the last reader; only without that from the running system. */
static int prepare_resident(struct procobsrv *monitor)
{
	int error = reader_take_over(monitor);

	if (!error)
		error = list_existing(monitor);
	else if (monitor->checkpoint && error != PROCOBSRV_ERROR_MEMORY)
		error = fill_table(monitor);
	if (!error)
		error = reader_begin(monitor, monitor->acknowledged);
	return error;
}

static void note_cgroup(uint64_t id, const char *path, size_t length, void *param)
{
	struct dispatch *dispatch = param;

	cgroup_table_put(&dispatch->cgroups, id, path, length);
}

int taker_prepare(struct procobsrv *monitor)
{
	int error = 0;

	if (monitor->operations->list_cgroups)
		monitor->operations->list_cgroups(note_cgroup, &monitor->dispatch);
	if (monitor->options.source.resident)
		error = prepare_resident(monitor);
	else if (!(monitor->options.flags & PROCOBSRV_NO_SNAPSHOT))
		error = fill_table(monitor);
	if (!error && monitor->options.source.root_pid)
		dispatch_mark_root(&monitor->dispatch);
	return error;
}

/* ---- resync after a gap ---- */

static void begin_resync(struct procobsrv *monitor)
{
	struct resync *resync = &monitor->resync;

	if (!monitor->dispatch.gap_seen || resync->waiting ||
	    monitor->options.flags & PROCOBSRV_NO_SNAPSHOT)
		return;
	if (os_monotonic_ns() - resync->last_ns < RESYNC_INTERVAL_NS)
		return;
	monitor->dispatch.gap_seen = false;
	monitor->dispatch.exited_count = 0;
	monitor->dispatch.note_exits = true;
	if (resync_begin(resync, monitor->operations, monitor->source)) {
		monitor->dispatch.gap_seen = true; /* tried again after the interval */
		monitor->dispatch.note_exits = false;
	}
}

static void conclude_resync(struct procobsrv *monitor, uint64_t position)
{
	if (!monitor->resync.waiting || position < monitor->resync.position)
		return;
	resync_conclude(&monitor->resync, &monitor->dispatch);
	atomic_fetch_add(&monitor->dispatch.counters.resyncs, 1);
}

/* ---- taking ---- */

/* The tree that was asked for has ended: so does the monitor. */
static void check_tree(struct procobsrv *monitor)
{
	if (monitor->options.source.root_pid && monitor->dispatch.tree_ended)
		monitor_request_stop(monitor, PROCOBSRV_STOP_DRAIN);
}

/* Nothing is queued: have there been losses after the last record? */
static void check_idle(struct procobsrv *monitor)
{
	struct source_statistics statistics;
	struct record_gap gap;

	if (monitor->operations->statistics(monitor->source, &statistics))
		return;
	if (queue_position(monitor->queue) < statistics.produced)
		return; /* more is coming: its headers tell */
	struct queue_statistics queued;
	queue_statistics(monitor->queue, &queued);
	if (queued.waiting)
		return;
	monitor->dispatch.after_last = true;
	while (gaps_trailing(&monitor->dispatch.gaps, &statistics, &gap))
		dispatch_gap(&monitor->dispatch, &gap);
	monitor->dispatch.after_last = false;
	dispatch_tell_unsaid(&monitor->dispatch);
	conclude_resync(monitor, queue_position(monitor->queue));
	begin_resync(monitor);
}

bool taker_has_prepared(const struct procobsrv *monitor)
{
	return monitor->existing_next < monitor->existing_count ||
	       monitor->held.next < monitor->held.count;
}

static bool deliver_prepared(struct procobsrv *monitor)
{
	struct monitor_held *held = &monitor->held;

	for (int most = TAKE_MOST; most && monitor->existing_next < monitor->existing_count;
	     most--) {
		const struct procobsrv_process *process =
		    monitor->existing[monitor->existing_next++];
		dispatch_existing(&monitor->dispatch, process);
		procobsrv_process_unref(process);
		if (monitor_discards(monitor))
			return true;
	}
	if (monitor->existing_next < monitor->existing_count)
		return true;
	if (held->next == held->count)
		return false;

	for (int most = TAKE_MOST; most && held->next < held->count; most--) {
		const struct source_record *record = &held->records[held->next++];
		monitor->dispatch.resume =
		    held->next < held->count ? record[1].position : held->resume;
		dispatch_record(&monitor->dispatch, held->stream, record);
		if (monitor_discards(monitor))
			return true;
	}
	if (held->next < held->count)
		return true;
	if (monitor->options.source.resident)
		reader_after_batch(monitor, &(struct queue_batch){.resume = held->resume});
	free_held(held);
	return true;
}

static int take_queued(struct procobsrv *monitor, int timeout_ms)
{
	struct queue_batch batch;
	int error = queue_take(monitor->queue, timeout_ms, TAKE_MOST, &batch);

	if (error == PROCOBSRV_ERROR_TIMEOUT || error == PROCOBSRV_ERROR_ENDED)
		check_idle(monitor);
	if (error)
		return error;

	dispatch_sample_clock(&monitor->dispatch);
	bool resident = monitor->options.source.resident;
	if (resident)
		reader_before_batch(monitor, &batch);
	for (size_t i = 0; i < batch.count; i++) {
		monitor->dispatch.resume =
		    i + 1 < batch.count ? batch.records[i + 1].position : batch.resume;
		dispatch_record(&monitor->dispatch, batch.stream, &batch.records[i]);
		if (monitor_discards(monitor))
			return 0;
	}
	if (resident)
		reader_after_batch(monitor, &batch);
	conclude_resync(monitor, batch.resume);
	begin_resync(monitor);
	return 0;
}

int taker_step(struct procobsrv *monitor, int timeout_ms)
{
	int error = deliver_prepared(monitor) ? 0 : take_queued(monitor, timeout_ms);

	check_tree(monitor);
	return monitor_discards(monitor) ? PROCOBSRV_ERROR_ENDED : error;
}

void taker_clear(struct procobsrv *monitor)
{
	while (monitor->existing_next < monitor->existing_count)
		procobsrv_process_unref(monitor->existing[monitor->existing_next++]);
	free(monitor->existing);
	monitor->existing = NULL;
	monitor->existing_count = monitor->existing_next = 0;
	free_held(&monitor->held);
	resync_free(&monitor->resync);
	reader_end(monitor);
	while (monitor->ready_first) {
		struct event *event = monitor->ready_first;
		monitor->ready_first = event->next;
		procobsrv_event_unref(&event->public);
	}
	monitor->ready_last = NULL;
}

void taker_finish(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	monitor->taker_done = true;
	monitor->state = MONITOR_ENDED;
	pthread_cond_broadcast(&monitor->changed);
	pthread_mutex_unlock(&monitor->lock);
}

static _Thread_local const struct procobsrv *dispatching;

const struct procobsrv *taker_dispatching(void)
{
	return dispatching;
}

void *taker_run(void *param)
{
	struct procobsrv *monitor = param;

	dispatching = monitor;
	while (taker_step(monitor, TAKER_IDLE_MS) != PROCOBSRV_ERROR_ENDED)
		if (monitor->between)
			monitor->between(monitor->between_param);
	monitor_request_stop(monitor, PROCOBSRV_STOP_DISCARD);
	taker_finish(monitor);
	return NULL;
}
