/* SPDX-License-Identifier: MIT */
/*
 * What the two ends of the queue share. In the order in which records are taken:
 *
 *	front: full segments in memory | blocks on disk | tail: the segment being filled | drops
 *
 * The tail belongs to the listener (queue_append.c), who writes records into it without a lock and
 * publishes them once a batch. A full tail joins the front if nothing is on disk and there is
 *memory for another, else it is written to disk as one block. Where neither is possible, records
 *are counted in `drops`; every segment keeps room for a gap record at its end, so that a gap can
 *always be told in the place where it was, before anything that comes later.
 *
 * The taker (queue_take.c) lends from the first of the front, reads a block back into the front
 *when that is empty, and lends from the tail when nothing else is left. What is lent stays
 *untouched until the next take; so does the file that it was read from, that a crash may not lose
 *it.
 */
#ifndef PROCOBSRV_LIB_QUEUE_PRIVATE_H
#define PROCOBSRV_LIB_QUEUE_PRIVATE_H

#include "drops.h"
#include "queue.h"
#include "segment.h"
#include "spill.h"

#include <stdatomic.h>

/* Every segment takes a record of the largest size and a gap. */
#define SEGMENT_SIZE_MAX (256u * 1024)
#define SEGMENT_SIZE_MIN (72u * 1024)
#define SEGMENTS_MIN	 3 /* one lent, one being filled, one being read back */
#define SEGMENTS_KEPT	 4 /* unused ones that are not given back to the system */

struct queue {
	uint64_t memory_size;
	size_t segment_size; /* of segment.memory[] */
	struct spill *spill; /* NULL: lose rather than write to disk */
	struct os_event *readable;
	uint32_t process; /* that made it */

	pthread_mutex_t lock;
	pthread_cond_t taker;	   /* there may be something to take */
	pthread_cond_t positioned; /* position has grown, or the end has come */
	/* Under the lock: */
	struct segment *front, **front_end;
	struct segment *unused;
	size_t unused_count;
	uint64_t allocated; /* bytes of all segments */
	uint64_t memory_peak;
	struct segment *lent;	 /* what the last take has lent from: */
	size_t lent_from;	 /* its first entry that was lent */
	struct segment *copying; /* is being written by queue_persist() */
	struct drops drops;
	uint64_t position;
	unsigned position_waiters;
	bool tail_writing; /* the tail is on its way to disk: not to be taken from */
	bool taker_waits, woken, ended;
	uint64_t lost;
	uint64_t appended; /* events that were published */

	/* The listener's: */
	struct segment *tail; /* changes under the lock only */
	bool dropping;	      /* drops may have something to tell */
	bool any_broken;
	struct drops_broken *broken;
	uint64_t accepted; /* events that were copied in */

	/* The taker's: */
	struct drops_record lent_gap;
	struct source_record lent_gap_entry;

	atomic_uint_fast64_t taken; /* events */
};

static inline size_t queue_segment_bytes(const struct queue *queue)
{
	return sizeof(struct segment) + queue->segment_size;
}

/* Bytes of the segments that are in use. With the lock. */
static inline uint64_t queue_memory_used(const struct queue *queue)
{
	return queue->allocated - queue->unused_count * queue_segment_bytes(queue);
}

/* An empty segment within the bound, or NULL and errno. With the lock. */
struct segment *queue_segment_obtain(struct queue *queue);

/* Gives a segment back, and what it holds of a file. With the lock. */
void queue_segment_recycle(struct queue *queue, struct segment *segment,
			   struct spill_file **finished);

/* Makes `readable` agree with what there is to take. With the lock. */
void queue_update_readable(struct queue *queue);

/* Ends the lock of someone who has made something to take, and wakes the taker if it waits. */
void queue_unlock_and_wake(struct queue *queue);

/*
 * Waits on a condition of the queue until a boot time of queue_wait_end() (0: for ever). False: it
 * is past. With the lock.
 */
bool queue_wait_until(struct queue *queue, pthread_cond_t *condition, uint64_t until);
uint64_t queue_wait_end(int timeout_ms);

#endif
