/* SPDX-License-Identifier: MIT */
/*
 * The queue between the listener and who takes events: ordered, bounded in memory, never blocks the
 * listener. One thread appends, one takes.
 *
 * Records are copied in. While they fit the memory bound they stay there; beyond it they go to disk
 * segments (lib/spill.h), and order is kept: memory first, then disk. When the disk is full too,
 * what does not fit is counted by kind and told by a RECORD_GAP record in the place where it was;
 * so are records beyond RECORD_SIZE_MAX, which no reader takes. A record whose chunk was given up
 * is given up too. Chunks of a record that was given up may have been queued before: they have no
 * record then.
 */
#ifndef PROCOBSRV_LIB_QUEUE_H
#define PROCOBSRV_LIB_QUEUE_H

#include "os.h"
#include "source.h"

struct queue_options {
	uint64_t memory_size; /* bytes; raised to three segments (216 KiB) if less */
	bool spill;	      /* false: lose rather than write to disk */
	const char *spill_directory;
	uint64_t spill_size;
	/*
	 * Whether files on disk outlive a process that is killed, for the next reader to replay
	 * (lib/spill.h). Else they have no name, and nothing of them is left.
	 */
	bool spill_keep;
	struct os_event
	    *readable; /* set while a take would give something; may be NULL. Borrowed */
};

struct queue_statistics {
	uint64_t memory_used;
	uint64_t memory_peak;
	uint64_t spill_used;
	uint64_t spill_total;
	uint64_t records; /* in it now: events, not chunks */
	uint64_t lost;	  /* given up: events, not chunks */
	bool waiting;	  /* a take would give something, if only chunks or a gap */
};

/* What a take lends: an array of records, valid until the next queue_take() or queue_destroy(). */
struct queue_batch {
	uint64_t stream;
	const struct source_record *records;
	size_t count;
	uint64_t resume; /* position after the last of them */
};

struct queue;

int queue_create(const struct queue_options *options, struct queue **queue);
/* NULL is allowed. Removes the disk segments. */
void queue_destroy(struct queue *queue);

/* The same, but leaves the disk segments as a process leaves them that is killed (spill_keep). */
void queue_leave(struct queue *queue);

/* Copies a batch in; never blocks for the taker. Listener thread. */
void queue_append(struct queue *queue, const struct source_batch *batch);

/*
 * Writes to disk what is in memory only, and what the last take has lent, so that it outlives this
 * process: if that is killed before the records were taken and the next take was called, they are
 * in its left-overs (spill_keep). Then *position is where the listener's appends have come to, and
 * the source may release up to there. Memory is still taken from memory: this costs writing alone.
 * Errors: STATE (no spill), and those of the disk. Listener thread.
 */
int queue_persist(struct queue *queue, uint64_t *position);

/* No more appends: takers drain, then get PROCOBSRV_ERROR_ENDED. Any thread. */
void queue_end(struct queue *queue);

/* Wakes a taker that waits; its take returns PROCOBSRV_ERROR_TIMEOUT. Any thread. */
void queue_wake(struct queue *queue);

/*
 * Takes up to `most` records, waiting at most timeout_ms (-1: for ever). Errors: TIMEOUT, ENDED,
 * MEMORY. Taker's thread.
 */
int queue_take(struct queue *queue, int timeout_ms, size_t most, struct queue_batch *batch);

/* The position up to which records have been appended (0: none yet), and a wait for it. */
uint64_t queue_position(struct queue *queue);
/* Waits until records up to `position` were appended, or the queue has ended: true; else false. */
bool queue_wait_position(struct queue *queue, uint64_t position, int timeout_ms);
/* The listener tells that it has drained to `position`, records or not. */
void queue_advance(struct queue *queue, uint64_t position);

void queue_statistics(struct queue *queue, struct queue_statistics *statistics);

#endif
