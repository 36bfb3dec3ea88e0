/* SPDX-License-Identifier: MIT */
/* The queue's making, its memory, and what both ends may ask. See queue_private.h. */
#include "error.h"
#include "queue_private.h"

#include <errno.h>
#include <stdlib.h>

struct segment *queue_segment_obtain(struct queue *queue)
{
	struct segment *segment = queue->unused;

	if (segment) {
		queue->unused = segment->next;
		queue->unused_count--;
	} else {
		if (queue->allocated + queue_segment_bytes(queue) > queue->memory_size) {
			errno = ENOBUFS;
			return NULL;
		}
		segment = malloc(queue_segment_bytes(queue));
		if (!segment) {
			errno = ENOMEM;
			return NULL;
		}
		queue->allocated += queue_segment_bytes(queue);
		segment->size = queue->segment_size;
	}
	segment->next = NULL;
	segment->file = NULL;
	segment->stream = 0;
	segment->resume = 0;
	segment_reset(segment);
	if (queue_memory_used(queue) > queue->memory_peak)
		queue->memory_peak = queue_memory_used(queue);
	return segment;
}

void queue_segment_recycle(struct queue *queue, struct segment *segment,
			   struct spill_file **finished)
{
	if (segment->file)
		spill_release(queue->spill, segment->file, finished);
	if (queue->unused_count >= SEGMENTS_KEPT) {
		queue->allocated -= queue_segment_bytes(queue);
		free(segment);
		return;
	}
	segment->next = queue->unused;
	queue->unused = segment;
	queue->unused_count++;
}

static bool anything_to_take(const struct queue *queue)
{
	const struct segment *front = queue->front;

	/* The first of the front may be lent to its last entry, and then counts no more. */
	return (front && (front->taken < front->count || front->next)) ||
	       (queue->spill && spill_holds(queue->spill)) ||
	       queue->tail->count > queue->tail->taken || queue->drops.events > 0;
}

/*
 * Without a memory of what it is: whoever lent us the event may set and clear it as well.
 */
void queue_update_readable(struct queue *queue)
{
	if (!queue->readable)
		return;
	if (anything_to_take(queue) || queue->ended)
		os_event_set(queue->readable);
	else
		os_event_clear(queue->readable);
}

void queue_unlock_and_wake(struct queue *queue)
{
	bool wake = queue->taker_waits;

	queue->taker_waits = false;
	if (queue->readable && (anything_to_take(queue) || queue->ended))
		os_event_set(queue->readable);
	pthread_mutex_unlock(&queue->lock);
	if (wake)
		pthread_cond_signal(&queue->taker);
}

bool queue_wait_until(struct queue *queue, pthread_cond_t *condition, uint64_t until)
{
	uint64_t now;

	if (until == 0) {
		pthread_cond_wait(condition, &queue->lock);
		return true;
	}
	now = os_monotonic_ns();
	if (now >= until)
		return false;
	os_condition_wait(condition, &queue->lock, until - now);
	return true;
}

uint64_t queue_wait_end(int timeout_ms)
{
	return timeout_ms < 0 ? 0 : os_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
}

static void set_position(struct queue *queue, uint64_t position)
{
	queue->position = position;
	if (queue->position_waiters)
		pthread_cond_broadcast(&queue->positioned);
}

void queue_advance(struct queue *queue, uint64_t position)
{
	pthread_mutex_lock(&queue->lock);
	set_position(queue, position);
	pthread_mutex_unlock(&queue->lock);
}

uint64_t queue_position(struct queue *queue)
{
	uint64_t position;

	pthread_mutex_lock(&queue->lock);
	position = queue->position;
	pthread_mutex_unlock(&queue->lock);
	return position;
}

bool queue_wait_position(struct queue *queue, uint64_t position, int timeout_ms)
{
	uint64_t until = queue_wait_end(timeout_ms);
	bool reached;

	pthread_mutex_lock(&queue->lock);
	queue->position_waiters++;
	while (queue->position < position && !queue->ended)
		if (!queue_wait_until(queue, &queue->positioned, until))
			break;
	queue->position_waiters--;
	reached = queue->position >= position || queue->ended;
	pthread_mutex_unlock(&queue->lock);
	return reached;
}

void queue_end(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_broadcast(&queue->positioned);
	queue_unlock_and_wake(queue);
}

void queue_wake(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->woken = true;
	queue_unlock_and_wake(queue);
}

void queue_statistics(struct queue *queue, struct queue_statistics *statistics)
{
	/* First this: what is taken was appended before. */
	uint64_t taken = atomic_load(&queue->taken);

	memset(statistics, 0, sizeof(*statistics));
	pthread_mutex_lock(&queue->lock);
	statistics->memory_used = queue_memory_used(queue);
	statistics->memory_peak = queue->memory_peak;
	statistics->lost = queue->lost;
	statistics->records = queue->appended - taken;
	statistics->waiting = anything_to_take(queue);
	pthread_mutex_unlock(&queue->lock);
	if (queue->spill) {
		statistics->spill_used = spill_used(queue->spill);
		statistics->spill_total = spill_total(queue->spill);
	}
}

/* Segments of a size that leaves eight of them or more, where the bound allows that. */
static void choose_sizes(struct queue *queue, uint64_t memory_size)
{
	uint64_t size = memory_size / 8;

	if (size > SEGMENT_SIZE_MAX)
		size = SEGMENT_SIZE_MAX;
	if (size < SEGMENT_SIZE_MIN)
		size = SEGMENT_SIZE_MIN;
	queue->segment_size = (size - sizeof(struct segment)) / 8 * 8;
	queue->memory_size = memory_size;
	if (queue->memory_size < SEGMENTS_MIN * queue_segment_bytes(queue))
		queue->memory_size = SEGMENTS_MIN * queue_segment_bytes(queue);
}

static int init_lock(struct queue *queue)
{
	int error = pthread_mutex_init(&queue->lock, NULL);

	if (error)
		return error;
	error = os_condition_init(&queue->taker);
	if (!error) {
		error = os_condition_init(&queue->positioned);
		if (!error)
			return 0;
		pthread_cond_destroy(&queue->taker);
	}
	pthread_mutex_destroy(&queue->lock);
	return error;
}

static int init_content(struct queue *queue, const struct queue_options *options)
{
	int code = PROCOBSRV_ERROR_MEMORY;

	choose_sizes(queue, options->memory_size);
	queue->front_end = &queue->front;
	queue->process = os_process_id();
	queue->readable = options->readable;
	queue->broken = calloc(1, sizeof(*queue->broken));
	queue->tail = queue->broken ? queue_segment_obtain(queue) : NULL;
	if (!queue->tail)
		return error_set(code, "out of memory for the queue");
	if (!options->spill)
		return 0;
	return spill_create(options->spill_directory, options->spill_keep, options->spill_size,
			    queue->segment_size, &queue->spill);
}

int queue_create(const struct queue_options *options, struct queue **queue)
{
	struct queue *new_queue = calloc(1, sizeof(*new_queue));
	int error, code;

	if (!new_queue)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the queue");
	error = init_lock(new_queue);
	if (error) {
		free(new_queue);
		return error_set_errno(error, "cannot make the lock of the queue");
	}
	code = init_content(new_queue, options);
	if (code) {
		queue_destroy(new_queue);
		return code;
	}
	*queue = new_queue;
	return 0;
}

static void free_list(struct segment *segment)
{
	while (segment) {
		struct segment *next = segment->next;

		free(segment);
		segment = next;
	}
}

/*
 * Takes no lock: all threads are gone, and in a forked child it may be held by one that is not
 * there. For the same reason the child leaves conditions alone (their destruction waits for
 * waiters), and files are the parent's.
 */
static void destroy(struct queue *queue, bool remove_files)
{
	bool ours = queue->process == os_process_id();

	free_list(queue->front);
	free_list(queue->unused);
	free(queue->tail);
	free(queue->broken);
	spill_destroy(queue->spill, ours && remove_files);
	if (ours) {
		pthread_cond_destroy(&queue->positioned);
		pthread_cond_destroy(&queue->taker);
		pthread_mutex_destroy(&queue->lock);
	}
	free(queue);
}

void queue_destroy(struct queue *queue)
{
	if (queue)
		destroy(queue, true);
}

void queue_leave(struct queue *queue)
{
	destroy(queue, false);
}
