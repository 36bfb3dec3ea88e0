/* SPDX-License-Identifier: MIT */
/*
 * References to events that wait for a sink, in order, bounded by count and by bytes; and what was
 * lost for want of room, until it is told in its place. Not locked: its owner is.
 */
#ifndef PROCOBSRVD_EVENT_QUEUE_H
#define PROCOBSRVD_EVENT_QUEUE_H

#include "event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_QUEUE_KINDS (PROCOBSRV_LOST + 1)

struct event_queue_entry {
	const struct procobsrv_event *event; /* a reference */
	uint64_t ordinal;		     /* among all events that were offered */
	uint32_t bytes;			     /* estimated */
};

/* What was lost since the last entry. */
struct event_queue_gap {
	uint64_t numbered; /* of them had numbers of their own (procobsrv_event.seq) */
	uint64_t first;	   /* the first of these numbers */
	uint64_t last;
	uint64_t kinds[EVENT_QUEUE_KINDS];
	uint64_t ordinal;
	int64_t from_ns;
	int64_t to_ns;
	uint64_t boot_ns;
	char cursor[EVENT_CURSOR_SIZE];
};

struct event_queue {
	struct event_queue_entry *entries; /* a ring; grows up to what is put */
	size_t capacity;
	size_t first;
	size_t count;
	uint64_t bytes;
	struct event_queue_gap gap;
};

/* Whether there is no room for another one. There always is for the first. */
bool event_queue_full(const struct event_queue *queue, size_t count_most, uint64_t bytes_most);

/* Takes a reference. False: out of memory, it is not in there. */
bool event_queue_put(struct event_queue *queue, const struct procobsrv_event *event,
		     uint64_t ordinal);

/* Counts an event that cannot be put; losses that it tells itself are counted with it. */
void event_queue_lose(struct event_queue *queue, const struct procobsrv_event *event,
		      uint64_t ordinal);

/* Puts an event `lost` for what was lost, if anything was. False: out of memory, later then. */
bool event_queue_tell(struct event_queue *queue);

/* Copies the first events, at most so many. They stay until event_queue_remove(). */
size_t event_queue_first(const struct event_queue *queue, size_t most,
			 const struct procobsrv_event **events);

/* Takes the first `count` out; their references are the caller's then, who has them from
 * event_queue_first(). Returns the ordinal of the last of them. */
uint64_t event_queue_remove(struct event_queue *queue, size_t count);

/* Gives all back. */
void event_queue_free(struct event_queue *queue);

#endif
