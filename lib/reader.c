/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "resident.h"
#include "spill.h"

#include <stdio.h>
#include <string.h>

/* How long a user may take to make safe what was delivered before more of a spilled queue is taken.
 */
#define ACKNOWLEDGE_WAIT_NS 1000000000u

static void drop(struct event *event, void *param)
{
	(void)param;
	procobsrv_event_unref(&event->public);
}

/* What was dealt with by the last reader is not this one's to count. */
static void forget_counters(struct procobsrv *monitor)
{
	struct dispatch *dispatch = &monitor->dispatch;

	monitor->baseline_number = gaps_accounted(&dispatch->gaps);
	atomic_store(&dispatch->counters.seq, 0);
	atomic_store(&dispatch->counters.filtered, 0);
	atomic_store(&dispatch->counters.delivered, 0);
	atomic_store(&dispatch->counters.lost, 0);
	atomic_store(&dispatch->counters.synthetic, 0);
	atomic_store(&dispatch->counters.gaps, 0);
	dispatch->gap_seen = false;
}

/* No checkpoint, or a damaged one: a snapshot is going to fill the table, the numbers are unknown.
 */
static int start_afresh(struct dispatch *dispatch, uint64_t read)
{
	process_table_free(&dispatch->table);
	/* An observer that nobody has read yet numbers from 1. */
	if (read)
		gaps_adopt(&dispatch->gaps, read);
	else
		gaps_free(&dispatch->gaps);
	return process_table_init(&dispatch->table);
}

int reader_take_over(struct procobsrv *monitor)
{
	struct dispatch *dispatch = &monitor->dispatch;
	struct source_statistics statistics;
	uint32_t kinds = dispatch->kinds;
	dispatch_deliver deliver = dispatch->deliver;
	int error = monitor->operations->statistics(monitor->source, &statistics);

	if (error)
		return error;
	if (!monitor->checkpoint &&
	    (error = checkpoint_create(resident_directory(), &monitor->checkpoint)))
		return error;
	monitor->acknowledged = statistics.acknowledged;
	dispatch->kinds = 0;
	dispatch->deliver = drop;
	error =
	    checkpoint_load(monitor->checkpoint, dispatch, statistics.stream, statistics.released);
	dispatch->kinds = kinds;
	dispatch->deliver = deliver;
	if (error && start_afresh(dispatch, statistics.read))
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the process table");
	forget_counters(monitor);
	return error;
}

int reader_begin(struct procobsrv *monitor, uint64_t position)
{
	struct source_statistics statistics;
	int error = monitor->operations->statistics(monitor->source, &statistics);

	return error ? error
		     : checkpoint_begin(monitor->checkpoint, &monitor->dispatch, statistics.stream,
					position);
}

/* Without a checkpoint the next reader only has to take a snapshot: no reason to stop this one. */
static void give_up_checkpoint(struct procobsrv *monitor)
{
	checkpoint_destroy(monitor->checkpoint);
	monitor->checkpoint = NULL;
}

void reader_before_batch(struct procobsrv *monitor, const struct queue_batch *batch)
{
	if (monitor->checkpoint &&
	    checkpoint_append(monitor->checkpoint, batch->records, batch->count, batch->resume))
		give_up_checkpoint(monitor);
}

static void acknowledge(struct procobsrv *monitor, uint64_t position, uint64_t read)
{
	pthread_mutex_lock(&monitor->lock);
	if (position > monitor->acknowledged) {
		monitor->acknowledged = position;
		if (monitor->source) {
			monitor->operations->acknowledge(monitor->source, position, read);
			monitor->operations->release(monitor->source, position);
		}
		pthread_cond_broadcast(&monitor->changed);
	}
	pthread_mutex_unlock(&monitor->lock);
}

/*
 * While the queue is on disk its files go as they are taken, so that there what was delivered must
 * be safe before more is taken. In memory the ring still has it.
 */
static void wait_for_acknowledgement(struct procobsrv *monitor, uint64_t position)
{
	struct queue_statistics queued;
	uint64_t deadline = os_boot_ns() + ACKNOWLEDGE_WAIT_NS;

	queue_statistics(monitor->queue, &queued);
	if (!queued.spill_used)
		return;
	pthread_mutex_lock(&monitor->lock);
	while (monitor->acknowledged < position && !monitor_discards(monitor)) {
		uint64_t now = os_boot_ns();
		if (now >= deadline)
			break;
		os_condition_wait(&monitor->changed, &monitor->lock, deadline - now);
	}
	pthread_mutex_unlock(&monitor->lock);
}

void reader_after_batch(struct procobsrv *monitor, const struct queue_batch *batch)
{
	uint64_t dealt_with = assembly_oldest(&monitor->dispatch.assembly, batch->resume);

	if (monitor->options.flags & PROCOBSRV_ACKNOWLEDGE)
		wait_for_acknowledgement(monitor, monitor->last_delivered);
	else
		acknowledge(monitor, dealt_with, monitor->dispatch.gaps.read);
	pthread_mutex_lock(&monitor->lock);
	uint64_t acknowledged = monitor->acknowledged;
	pthread_mutex_unlock(&monitor->lock);
	if (monitor->checkpoint && checkpoint_advance(monitor->checkpoint, &monitor->dispatch,
						      batch->resume, acknowledged))
		give_up_checkpoint(monitor);
}

/* ---- what a reader that was killed had taken out of the ring and not delivered ---- */

static void note(struct procobsrv *monitor, const char *text)
{
	size_t used = strlen(monitor->limits);

	snprintf(monitor->limits + used, sizeof monitor->limits - used, "%s%s", used ? "; " : "",
		 text);
}

void reader_replay_leftovers(struct procobsrv *monitor, const char *directory)
{
	struct source_statistics statistics;
	struct spill_replay *replay;
	struct source_batch batch;
	char boot[37] = "";
	uint64_t kept;
	bool any = false;

	os_boot_id(boot);
	if (monitor->operations->statistics(monitor->source, &statistics))
		return;
	int error =
	    spill_replay_open(directory, boot, statistics.stream, statistics.acknowledged, &replay);
	if (error) {
		if (error != PROCOBSRV_ERROR_NOT_FOUND)
			note(monitor, procobsrv_explain());
		return;
	}
	while (!(error = spill_replay_next(replay, &batch))) {
		queue_append(monitor->queue, &batch);
		any = true;
	}
	if (error != PROCOBSRV_ERROR_ENDED)
		note(monitor, procobsrv_explain());
	if (spill_replay_damage(replay))
		note(monitor, spill_replay_damage(replay));
	/* The files are needed until what was queued is on disk again under our own name. */
	spill_replay_close(replay, !any || !queue_persist(monitor->queue, &kept));
}

void reader_make_room(struct procobsrv *monitor)
{
	struct source_statistics statistics;
	uint64_t position;

	if (monitor->options.flags & PROCOBSRV_NO_SPILL ||
	    monitor->operations->statistics(monitor->source, &statistics))
		return;
	if (statistics.produced - statistics.released < statistics.ring_size / 2)
		return;
	if (!queue_persist(monitor->queue, &position))
		monitor->operations->release(monitor->source, position);
}

void reader_end(struct procobsrv *monitor)
{
	checkpoint_destroy(monitor->checkpoint);
	monitor->checkpoint = NULL;
}

int procobsrv_acknowledge(struct procobsrv *monitor, const struct procobsrv_event *event)
{
	if (!(monitor->options.flags & PROCOBSRV_ACKNOWLEDGE) ||
	    !(monitor->options.flags & PROCOBSRV_RESIDENT))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "only a monitor with PROCOBSRV_RESIDENT and PROCOBSRV_ACKNOWLEDGE "
				 "takes acknowledgements");
	const struct event *object = (const struct event *)(const void *)event;
	acknowledge(monitor, object->resume, object->read);
	return 0;
}
