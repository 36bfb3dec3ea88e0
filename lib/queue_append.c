/* SPDX-License-Identifier: MIT */
/* The listener's end of the queue. See queue_private.h. */
#include "error.h"
#include "queue_private.h"

#include <errno.h>
#include <stdlib.h>

#define GAP_NEED SEGMENT_NEED(sizeof(struct drops_record))

/* Gives a record up. With the lock. */
static void drop(struct queue *queue, uint64_t stream, const struct source_record *record,
		 int error)
{
	const struct record_header *header = record->data;
	bool whole_header = record->size >= sizeof(*header);
	struct drops *drops = &queue->drops;

	if (whole_header && header->kind == RECORD_CHUNK) {
		drops_break(queue->broken, header, error);
		queue->any_broken = true;
		return;
	}
	if (whole_header && header->kind >= RECORD_NOTES)
		return;
	queue->dropping = true;
	if (drops->events == 0) {
		bool disk = queue->spill && error != EMSGSIZE;

		memset(drops, 0, sizeof(*drops));
		drops->stream = stream;
		drops->position = record->position;
		drops->gap.stage = disk ? RECORD_GAP_SPILL : RECORD_GAP_QUEUE;
		drops->gap.detail = (uint32_t)error;
	}
	if (drops->stream == stream)
		drops->resume = record->position;
	drops_add(drops, header, record->size);
	queue->lost += whole_header && drops_is_event(header->kind);
}

/* Puts what was dropped, if anything, as a gap at the end of the tail. With the lock. */
static void place_gap(struct queue *queue)
{
	struct segment *tail = queue->tail;
	struct drops *drops = &queue->drops;
	struct drops_record record;

	if (drops->events == 0)
		return;
	if (tail->filled == 0)
		tail->stream = drops->stream;
	drops_tell(drops, &record);
	segment_put(tail, &record, sizeof(record),
		    drops->stream == tail->stream ? drops->position : tail->resume);
	memset(drops, 0, sizeof(*drops));
}

/* The position that follows the tail's last entry, if `next` of `stream` comes then. */
static uint64_t tail_resume(const struct queue *queue, uint64_t stream, uint64_t next)
{
	return queue->tail->stream == stream ? next : queue->tail->resume;
}

/* Hands the full tail to the front, if there is memory for another. 0 or an errno. */
static int push_tail(struct queue *queue, uint64_t resume)
{
	struct segment *tail = queue->tail, *next = queue_segment_obtain(queue);

	if (!next)
		return errno;
	place_gap(queue);
	tail->resume = resume;
	tail->count = tail->filled;
	*queue->front_end = tail;
	queue->front_end = &tail->next;
	queue->tail = next;
	return 0;
}

/*
 * Writes the tail to disk and empties it. 0 or an errno: then all is as it was. Nothing of the tail
 * may be lent. Gives up the lock meanwhile.
 */
static int spill_tail(struct queue *queue, uint64_t resume, struct spill_file **finished)
{
	struct segment *tail = queue->tail;
	struct drops drops = queue->drops;
	size_t filled = tail->filled, low = tail->low, first = tail->taken;
	struct spill_block *block = NULL;
	int error;

	place_gap(queue);
	queue->tail_writing = true;
	spill_begin(queue->spill);
	pthread_mutex_unlock(&queue->lock);
	error = spill_write(queue->spill, tail, first, tail->filled, resume, &block);
	pthread_mutex_lock(&queue->lock);
	queue->tail_writing = false;
	spill_end(queue->spill, block, false, finished);
	if (error) {
		tail->filled = filled;
		tail->low = low;
		queue->drops = drops;
	} else {
		segment_reset(tail);
	}
	return error;
}

/* Makes the tail one that takes `need` bytes of `stream`. 0, or an errno why not. With the lock. */
static int advance_tail(struct queue *queue, uint64_t stream, uint64_t position, size_t need,
			struct spill_file **finished)
{
	struct segment *tail = queue->tail;
	struct drops *drops = &queue->drops;
	uint64_t resume = tail_resume(queue, stream, position);
	int error = ENOBUFS;

	if (tail->taken == tail->filled && tail != queue->lent) {
		segment_reset(tail);
		if (drops->events && drops->stream != stream) {
			drops->stream = stream;
			drops->position = position;
		}
		place_gap(queue);
		return 0;
	}
	if (tail->stream == stream && segment_room(tail) >= need + 2 * GAP_NEED) {
		place_gap(queue);
		return 0;
	}
	if (!queue->spill || !spill_holds(queue->spill))
		error = push_tail(queue, resume);
	if (error && queue->spill && tail != queue->lent)
		error = spill_tail(queue, resume, finished);
	return error;
}

/*
 * The tail is full, or holds another stream, or drops may have to be told: makes room for the
 * record, or gives it up and returns false. Without the lock.
 */
static bool make_room(struct queue *queue, uint64_t stream, const struct source_record *record)
{
	struct segment *tail = queue->tail;
	struct drops *drops = &queue->drops;
	struct spill_file *finished = NULL;
	int error;

	pthread_mutex_lock(&queue->lock);
	if (tail->filled > 0)
		tail->resume =
		    tail_resume(queue, stream, drops->events ? drops->position : record->position);
	tail->count = tail->filled;
	queue->appended = queue->accepted;
	error =
	    advance_tail(queue, stream, record->position, SEGMENT_NEED(record->size), &finished);
	if (error) {
		/* Under the same lock, lest the taker takes the gap that this belongs to. */
		drop(queue, stream, record, error);
	} else {
		queue->dropping = false;
		if (queue->tail->filled == 0)
			queue->tail->stream = stream;
	}
	queue_unlock_and_wake(queue);
	spill_remove(queue->spill, finished);
	return error == 0;
}

/* Copies a record into the tail, or gives it up. Without the lock. */
static void append_record(struct queue *queue, uint64_t stream, const struct source_record *record)
{
	const struct record_header *header = record->data;
	int error = 0;

	if (record->size < sizeof(*header) || record->size > RECORD_SIZE_MAX)
		error = EMSGSIZE;
	else if (queue->any_broken)
		error = drops_broken_error(queue->broken, header);
	if (error) {
		pthread_mutex_lock(&queue->lock);
		drop(queue, stream, record, error);
		pthread_mutex_unlock(&queue->lock);
		return;
	}
	if (queue->dropping || queue->tail->stream != stream ||
	    segment_room(queue->tail) < SEGMENT_NEED(record->size) + GAP_NEED)
		if (!make_room(queue, stream, record))
			return;
	segment_put(queue->tail, record->data, record->size, record->position);
	queue->accepted += drops_is_event(header->kind);
}

void queue_append(struct queue *queue, const struct source_batch *batch)
{
	struct drops *drops = &queue->drops;
	struct segment *tail;

	for (size_t i = 0; i < batch->count; i++)
		append_record(queue, batch->stream, &batch->records[i]);
	pthread_mutex_lock(&queue->lock);
	tail = queue->tail;
	if (drops->events && drops->stream == batch->stream)
		drops->resume = batch->resume;
	if (tail->filled > 0)
		tail->resume = tail_resume(queue, batch->stream,
					   drops->events ? drops->position : batch->resume);
	tail->count = tail->filled;
	queue->appended = queue->accepted;
	queue->position = batch->resume;
	if (queue->position_waiters)
		pthread_cond_broadcast(&queue->positioned);
	queue_unlock_and_wake(queue);
}

/* The tail's records leave the tail, for disk or, while they are lent, for the front. */
static int persist_tail(struct queue *queue, struct spill_file **finished)
{
	struct segment *tail = queue->tail;
	uint64_t resume = tail->resume;

	if (tail->filled == 0 || (tail->taken == tail->filled && tail != queue->lent))
		return 0;
	if (queue->drops.events && queue->drops.stream == tail->stream)
		resume = queue->drops.resume; /* the gap is put at its end */
	return tail == queue->lent ? push_tail(queue, resume) : spill_tail(queue, resume, finished);
}

/* Writes a copy of a segment of the front. 0 or an errno. Gives up the lock meanwhile. */
static int copy_segment(struct queue *queue, struct segment *segment, struct spill_file **finished)
{
	size_t first = segment == queue->lent ? queue->lent_from : segment->taken;
	struct spill_block *block = NULL;
	bool returned;
	int error;

	queue->copying = segment;
	spill_begin(queue->spill);
	pthread_mutex_unlock(&queue->lock);
	error = spill_write(queue->spill, segment, first, segment->count, segment->resume, &block);
	pthread_mutex_lock(&queue->lock);
	returned = queue->copying != segment; /* the taker is done with it already */
	queue->copying = NULL;
	spill_end(queue->spill, block, true, finished);
	if (block)
		segment->file = block->file;
	if (returned)
		queue_segment_recycle(queue, segment, finished);
	free(block);
	return error;
}

static struct segment *first_volatile(struct queue *queue)
{
	struct segment *segment = queue->front;

	while (segment && segment->file)
		segment = segment->next;
	return segment;
}

int queue_persist(struct queue *queue, uint64_t *position)
{
	struct spill_file *finished = NULL;
	struct segment *segment;
	int error;

	if (!queue->spill)
		return error_set(PROCOBSRV_ERROR_STATE, "this queue does not write to disk");
	pthread_mutex_lock(&queue->lock);
	error = persist_tail(queue, &finished);
	while (!error && (segment = first_volatile(queue)))
		error = copy_segment(queue, segment, &finished);
	if (!error)
		*position = queue->position;
	queue_unlock_and_wake(queue);
	spill_remove(queue->spill, finished);
	return error ? error_set_errno(error, "cannot keep events on disk") : 0;
}
