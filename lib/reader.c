/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "resident.h"
#include "spill.h"

#include <stdio.h>
#include <string.h>

static void drop(struct event *event, void *param)
{
	(void)param;
	procobsrv_event_unref(&event->public);
}

/* What was dealt with by the last reader is not this one's to count. */
static void forget_counters(struct procobsrv *monitor, uint64_t accounted)
{
	struct dispatch *dispatch = &monitor->dispatch;

	/* Its numbers go on, so that what is read again has the same. */
	monitor->baseline_number = accounted;
	monitor->baseline_repeats = dispatch->gaps.repeats;
	atomic_store(&dispatch->counters.seq, accounted);
	atomic_store(&dispatch->counters.filtered, 0);
	atomic_store(&dispatch->counters.delivered, 0);
	atomic_store(&dispatch->counters.lost, 0);
	atomic_store(&dispatch->counters.synthetic, 0);
	atomic_store(&dispatch->counters.gaps, 0);
	atomic_store(&dispatch->counters.repeats, 0);
	dispatch->gap_seen = false;
}

/* No checkpoint, or a damaged one: a snapshot is going to fill the table, the numbers are unknown.
 */
static int start_afresh(struct dispatch *dispatch, const struct source_statistics *statistics)
{
	process_table_free(&dispatch->table);
	repeats_free(&dispatch->repeats);
	/* An observer that nobody has read yet numbers from 1. */
	if (statistics->read)
		gaps_adopt(&dispatch->gaps, statistics->read, statistics->repeats);
	else
		gaps_free(&dispatch->gaps);
	return process_table_init(&dispatch->table);
}

static uint64_t sum_lost(const struct source_statistics *statistics)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++) {
		sum += statistics->skipped[kind];
		for (size_t cpu = 0; cpu < statistics->sequence_count; cpu++)
			sum += statistics->sequences[cpu].lost[kind];
	}
	return sum;
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
	error = checkpoint_load(monitor->checkpoint, dispatch, statistics.stream,
				statistics.acknowledged);
	dispatch->kinds = kinds;
	dispatch->deliver = deliver;
	/* Who exists is told before the first record: what it is of does not wait for that. */
	dispatch->stream = statistics.stream;
	if (error && start_afresh(dispatch, &statistics))
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the process table");
	forget_counters(monitor, dispatch->gaps.adopt
				     ? statistics.read - statistics.repeats + sum_lost(&statistics)
				     : gaps_accounted(&dispatch->gaps));
	return error;
}

int reader_begin(struct procobsrv *monitor, uint64_t position)
{
	struct source_statistics statistics;
	int error = monitor->operations->statistics(monitor->source, &statistics);

	if (!error)
		error = checkpoint_begin(monitor->checkpoint, &monitor->dispatch, statistics.stream,
					 position);
	/* Without a checkpoint, first events that were taken before their time. */
	if (!error && monitor->held.count)
		error = checkpoint_append(monitor->checkpoint, monitor->held.records,
					  monitor->held.count, 0);
	atomic_store(&monitor->checkpointed, !error);
	return error;
}

/* Without a checkpoint the next reader only has to take a snapshot: no reason to stop this one. */
static void give_up_checkpoint(struct procobsrv *monitor)
{
	atomic_store(&monitor->checkpointed, false);
	checkpoint_destroy(monitor->checkpoint);
	monitor->checkpoint = NULL;
}

void reader_before_batch(struct procobsrv *monitor, const struct queue_batch *batch)
{
	if (monitor->checkpoint &&
	    checkpoint_append(monitor->checkpoint, batch->records, batch->count, batch->resume))
		give_up_checkpoint(monitor);
}

static void acknowledge(struct procobsrv *monitor, uint64_t position, uint64_t read,
			uint64_t repeats)
{
	pthread_mutex_lock(&monitor->lock);
	if (position > monitor->acknowledged) {
		monitor->acknowledged = position;
		if (monitor->source) {
			monitor->operations->acknowledge(monitor->source, position, read, repeats);
			monitor->operations->release(monitor->source, position);
		}
		pthread_cond_broadcast(&monitor->changed);
	}
	pthread_mutex_unlock(&monitor->lock);
}

static uint64_t acknowledged_by_now(struct procobsrv *monitor)
{
	pthread_mutex_lock(&monitor->lock);
	uint64_t acknowledged = monitor->acknowledged;
	pthread_mutex_unlock(&monitor->lock);
	return acknowledged;
}

void reader_after_batch(struct procobsrv *monitor, const struct queue_batch *batch)
{
	bool waits = monitor->options.flags & PROCOBSRV_ACKNOWLEDGE;

	/* Within a record that came in pieces there is no place to go on from. */
	if (assembly_oldest(&monitor->dispatch.assembly, batch->resume) != batch->resume)
		return;
	/* What was filtered needs nobody's word, once all before it is safe. */
	if (!waits || acknowledged_by_now(monitor) >= monitor->last_delivered)
		acknowledge(monitor, batch->resume, monitor->dispatch.gaps.read,
			    monitor->dispatch.gaps.repeats);
	if (monitor->checkpoint && !atomic_load(&monitor->keepers) &&
	    checkpoint_advance(monitor->checkpoint, &monitor->dispatch, batch->resume,
			       acknowledged_by_now(monitor)))
		give_up_checkpoint(monitor);
}

/* ---- keeping it for who reads it again ---- */

static uint64_t least(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

bool monitor_keep(struct procobsrv *monitor, uint64_t most)
{
	uint64_t available;

	if (!monitor->checkpoint || monitor->options.flags & PROCOBSRV_NO_SPILL)
		return false;
	if (!atomic_load(&monitor->keepers)) {
		if (os_directory_free(resident_directory(), &available))
			return false;
		most = least(least(most, available / 2), monitor->options.spill_size / 2);
		if (!most)
			return false;
		checkpoint_keep(monitor->checkpoint);
		monitor->kept_most = checkpoint_size(monitor->checkpoint) + most;
		atomic_store(&monitor->kept_stream, checkpoint_stream(monitor->checkpoint));
	}
	atomic_fetch_add(&monitor->keepers, 1);
	return true;
}

bool monitor_keeps(const struct procobsrv *monitor)
{
	return monitor->checkpoint && checkpoint_size(monitor->checkpoint) < monitor->kept_most;
}

void monitor_keep_end(struct procobsrv *monitor)
{
	atomic_fetch_sub(&monitor->keepers, 1);
}

/* ---- what a reader that was killed had taken out of the ring and not delivered ---- */

static void note(struct procobsrv *monitor, const char *text)
{
	size_t used = strlen(monitor->limits);

	snprintf(monitor->limits + used, sizeof monitor->limits - used, "%s%s", used ? "; " : "",
		 text);
}

struct leftovers {
	struct queue *queue;
	uint64_t from; /* records before it are safe, or queued */
	uint64_t to;   /* the ring has these */
	bool any;
};

static void queue_leftovers(const struct source_batch *lent, void *param)
{
	struct leftovers *leftovers = param;
	struct source_batch batch = *lent;

	while (batch.count && batch.records[batch.count - 1].position >= leftovers->to)
		batch.resume = batch.records[--batch.count].position;
	if (!batch.count)
		return;
	queue_append(leftovers->queue, &batch);
	leftovers->from = batch.records[batch.count - 1].position + 1;
	leftovers->any = true;
}

/*
 * It gave room back in the ring for what it had on disk: in the checkpoint, if it was dealt with,
 * else in the files of its queue.
 */
void reader_replay_leftovers(struct procobsrv *monitor, const char *directory)
{
	struct source_statistics statistics;
	struct spill_replay *replay;
	struct source_batch batch;
	char boot[37] = "";
	uint64_t kept;

	os_boot_id(boot);
	if (monitor->operations->statistics(monitor->source, &statistics))
		return;
	struct leftovers leftovers = {monitor->queue, statistics.acknowledged, statistics.released,
				      false};
	int error = 0;
	if (leftovers.from < leftovers.to)
		error = checkpoint_lend(resident_directory(), statistics.stream, leftovers.from,
					queue_leftovers, &leftovers);
	if (error && error != PROCOBSRV_ERROR_NOT_FOUND)
		note(monitor, procobsrv_explain());
	error = spill_replay_open(directory, boot, statistics.stream, leftovers.from, &replay);
	if (error) {
		if (error != PROCOBSRV_ERROR_NOT_FOUND)
			note(monitor, procobsrv_explain());
		return;
	}
	while (!(error = spill_replay_next(replay, &batch)))
		queue_leftovers(&batch, &leftovers);
	if (error != PROCOBSRV_ERROR_ENDED)
		note(monitor, procobsrv_explain());
	if (spill_replay_damage(replay))
		note(monitor, spill_replay_damage(replay));
	/* The files are needed until what was queued is on disk again under our own name. */
	spill_replay_close(replay, !leftovers.any || !queue_persist(monitor->queue, &kept));
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
	/* What was dealt with and is not safe yet lies in the checkpoint, or only in the ring. */
	if (!atomic_load(&monitor->checkpointed))
		return;
	if (!queue_persist(monitor->queue, &position))
		monitor->operations->release(monitor->source, position);
}

bool reader_leaves_files(const struct procobsrv *monitor)
{
	return monitor->options.source.resident &&
	       monitor->acknowledged < monitor->last_statistics.released;
}

void reader_end(struct procobsrv *monitor)
{
	atomic_store(&monitor->checkpointed, false);
	checkpoint_destroy(monitor->checkpoint);
	monitor->checkpoint = NULL;
}

int procobsrv_acknowledge(struct procobsrv *monitor, const struct procobsrv_event *event)
{
	int error = monitor_need(monitor, "procobsrv_acknowledge", "the monitor");

	if (!error)
		error = monitor_need(event, "procobsrv_acknowledge", "the event");
	if (error)
		return error;
	if (!(monitor->options.flags & PROCOBSRV_ACKNOWLEDGE) ||
	    !(monitor->options.flags & PROCOBSRV_RESIDENT))
		return error_set(PROCOBSRV_ERROR_STATE,
				 "only a monitor with PROCOBSRV_RESIDENT and PROCOBSRV_ACKNOWLEDGE "
				 "takes acknowledgements");
	const struct event *object = (const struct event *)(const void *)event;
	acknowledge(monitor, object->resume, object->read, object->repeats);
	return 0;
}
