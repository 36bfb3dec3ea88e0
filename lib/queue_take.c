/* SPDX-License-Identifier: MIT */
/* The taker's end of the queue. See queue_private.h. */
#include "error.h"
#include "queue_private.h"

#include <stdlib.h>

/* What was lent is done with. With the lock. */
static void return_loan(struct queue *queue, struct spill_file **finished)
{
	struct segment *segment = queue->lent;

	queue->lent = NULL;
	if (!segment || segment == queue->tail || segment->taken < segment->count)
		return;
	/* It is the first of the front: the tail is lent only when nothing is before it. */
	queue->front = segment->next;
	if (!queue->front)
		queue->front_end = &queue->front;
	if (segment == queue->copying)
		queue->copying = NULL; /* queue_persist() recycles it */
	else
		queue_segment_recycle(queue, segment, finished);
}

/* With the lock. */
static void lend(struct queue *queue, struct segment *segment, size_t most,
		 struct queue_batch *batch)
{
	const struct source_record *entries = segment_entries(segment);
	size_t left = segment->count - segment->taken;

	queue->lent = segment;
	queue->lent_from = segment->taken;
	batch->stream = segment->stream;
	batch->records = entries + segment->taken;
	batch->count = left < most ? left : most;
	segment->taken += batch->count;
	batch->resume =
	    segment->taken < segment->count ? entries[segment->taken].position : segment->resume;
}

static void lend_gap(struct queue *queue, const struct drops *drops, struct queue_batch *batch)
{
	drops_tell(drops, &queue->lent_gap);
	queue->lent_gap_entry = (struct source_record){
	    .data = &queue->lent_gap,
	    .size = sizeof(queue->lent_gap),
	    .position = drops->position,
	};
	batch->stream = drops->stream;
	batch->records = &queue->lent_gap_entry;
	batch->count = 1;
	batch->resume = drops->resume;
}

/* The block cannot be had: tells what was in it. With the lock. */
static bool lose_block(struct queue *queue, struct spill_block *block, int error,
		       struct queue_batch *batch)
{
	block->drops.gap.detail = (uint32_t)error;
	queue->lost += block->events;
	atomic_fetch_add(&queue->taken, block->events);
	if (block->drops.events == 0)
		return false;
	lend_gap(queue, &block->drops, batch);
	return true;
}

/*
 * Reads the first block back into the front, which is empty; or lends a gap instead. 0 or MEMORY.
 * Gives up the lock meanwhile. As long as the block is there, nothing is put into the front.
 */
static int read_back(struct queue *queue, struct queue_batch *batch, struct spill_file **finished,
		     bool *lent)
{
	struct spill_block *block = spill_first(queue->spill);
	struct segment *segment = queue_segment_obtain(queue);
	int error;

	if (!segment)
		return error_set(PROCOBSRV_ERROR_MEMORY,
				 "out of memory to read events back from disk");
	pthread_mutex_unlock(&queue->lock);
	error = spill_read(block, segment);
	pthread_mutex_lock(&queue->lock);
	spill_pop(queue->spill);
	segment->file = block->file;
	if (error) {
		*lent = lose_block(queue, block, error, batch);
		queue_segment_recycle(queue, segment, finished);
	} else {
		queue->front = segment;
		queue->front_end = &segment->next;
	}
	free(block);
	return 0;
}

/*
 * Lends what comes next. 0, or TIMEOUT if there is nothing, or MEMORY. With the lock, which it may
 * give up meanwhile.
 */
static int take_next(struct queue *queue, size_t most, struct queue_batch *batch,
		     struct spill_file **finished)
{
	bool lent = false;

	if (!queue->front && queue->spill && spill_holds(queue->spill)) {
		int code = read_back(queue, batch, finished, &lent);

		if (code || lent)
			return code;
	}
	if (queue->front) {
		lend(queue, queue->front, most, batch);
		return 0;
	}
	if (queue->tail_writing)
		return PROCOBSRV_ERROR_TIMEOUT;
	if (queue->tail->count > queue->tail->taken) {
		lend(queue, queue->tail, most, batch);
		return 0;
	}
	if (queue->drops.events > 0) {
		lend_gap(queue, &queue->drops, batch);
		memset(&queue->drops, 0, sizeof(queue->drops));
		return 0;
	}
	return PROCOBSRV_ERROR_TIMEOUT;
}

/* With the lock. */
static int take(struct queue *queue, int timeout_ms, size_t most, struct queue_batch *batch,
		struct spill_file **finished)
{
	uint64_t until = 0;
	int code;

	return_loan(queue, finished);
	while ((code = take_next(queue, most, batch, finished)) == PROCOBSRV_ERROR_TIMEOUT) {
		bool waited;

		if (queue->tail_writing || (queue->spill && spill_holds(queue->spill))) {
			/* Something comes as soon as the disk allows. */
			waited = true;
			if (queue->tail_writing) {
				queue->taker_waits = true;
				pthread_cond_wait(&queue->taker, &queue->lock);
			}
		} else if (queue->ended) {
			return PROCOBSRV_ERROR_ENDED;
		} else if (queue->woken || timeout_ms == 0) {
			waited = false;
		} else {
			if (until == 0)
				until = queue_wait_end(timeout_ms);
			queue->taker_waits = true;
			waited = queue_wait_until(queue, &queue->taker, until);
			queue->taker_waits = false;
		}
		if (!waited) {
			queue->woken = false;
			return code;
		}
	}
	return code;
}

static uint64_t count_events(const struct queue_batch *batch)
{
	uint64_t events = 0;

	for (size_t i = 0; i < batch->count; i++) {
		const struct record_header *header = batch->records[i].data;

		events += drops_is_event(header->kind);
	}
	return events;
}

int queue_take(struct queue *queue, int timeout_ms, size_t most, struct queue_batch *batch)
{
	struct spill_file *finished = NULL;
	int code;

	if (most == 0)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "cannot take zero records");
	pthread_mutex_lock(&queue->lock);
	code = take(queue, timeout_ms, most, batch, &finished);
	queue_update_readable(queue);
	pthread_mutex_unlock(&queue->lock);
	spill_remove(queue->spill, finished);
	if (code == 0) /* without the lock: this touches each record */
		atomic_fetch_add(&queue->taken, count_events(batch));
	return code;
}
