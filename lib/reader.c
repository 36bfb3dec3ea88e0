/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include "resident.h"

#include <string.h>

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
	monitor->acknowledged = statistics.released;
	dispatch->kinds = 0;
	dispatch->deliver = drop;
	error =
	    checkpoint_load(monitor->checkpoint, dispatch, statistics.stream, statistics.released);
	dispatch->kinds = kinds;
	dispatch->deliver = deliver;
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

static void acknowledge(struct procobsrv *monitor, uint64_t position)
{
	pthread_mutex_lock(&monitor->lock);
	if (position > monitor->acknowledged) {
		monitor->acknowledged = position;
		if (monitor->source)
			monitor->operations->release(monitor->source, position);
	}
	pthread_mutex_unlock(&monitor->lock);
}

void reader_after_batch(struct procobsrv *monitor, const struct queue_batch *batch)
{
	if (!(monitor->options.flags & PROCOBSRV_ACKNOWLEDGE))
		acknowledge(monitor, assembly_oldest(&monitor->dispatch.assembly, batch->resume));
	pthread_mutex_lock(&monitor->lock);
	uint64_t acknowledged = monitor->acknowledged;
	pthread_mutex_unlock(&monitor->lock);
	if (monitor->checkpoint && checkpoint_advance(monitor->checkpoint, &monitor->dispatch,
						      batch->resume, acknowledged))
		give_up_checkpoint(monitor);
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
	acknowledge(monitor, ((const struct event *)(const void *)event)->resume);
	return 0;
}
