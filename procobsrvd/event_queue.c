/* SPDX-License-Identifier: MIT */
#include "event_queue.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_LEAST 64u

bool event_queue_full(const struct event_queue *queue, size_t count_most, uint64_t bytes_most)
{
	return queue->count && (queue->count >= count_most || queue->bytes >= bytes_most);
}

/* Of the memory that the event holds. What it shares with others is counted as if it did not: where
 * everything waits, little is shared. */
static uint32_t estimate(const struct procobsrv_event *event)
{
	const struct procobsrv_process *process = event->process;
	size_t bytes = sizeof(struct event) + sizeof(struct procobsrv_process);

	if (process && (event->kind == PROCOBSRV_EXEC || event->kind == PROCOBSRV_EXISTING)) {
		for (size_t index = 0; index < process->argc && bytes < UINT32_MAX / 2; index++)
			bytes += strlen(process->argv[index]) + sizeof(char *);
		for (size_t index = 0; index < process->env_count && bytes < UINT32_MAX / 2;
		     index++)
			bytes += strlen(process->env[index]) + sizeof(char *);
	}
	return (uint32_t)bytes;
}

static bool grow(struct event_queue *queue)
{
	size_t capacity = queue->capacity ? queue->capacity * 2 : CAPACITY_LEAST;
	struct event_queue_entry *entries = calloc(capacity, sizeof(*entries));

	if (!entries)
		return false;
	for (size_t index = 0; index < queue->count; index++)
		entries[index] = queue->entries[(queue->first + index) % queue->capacity];
	free(queue->entries);
	queue->entries = entries;
	queue->capacity = capacity;
	queue->first = 0;
	return true;
}

/* Takes the reference over. */
static bool append(struct event_queue *queue, const struct procobsrv_event *event, uint64_t ordinal)
{
	if (queue->count == queue->capacity && !grow(queue))
		return false;
	struct event_queue_entry *entry =
	    &queue->entries[(queue->first + queue->count) % queue->capacity];
	*entry = (struct event_queue_entry){event, ordinal, estimate(event)};
	queue->bytes += entry->bytes;
	queue->count++;
	return true;
}

bool event_queue_put(struct event_queue *queue, const struct procobsrv_event *event,
		     uint64_t ordinal)
{
	procobsrv_event_ref(event);
	if (append(queue, event, ordinal))
		return true;
	procobsrv_event_unref(event);
	return false;
}

/* ---- losses ---- */

static void count_kinds(struct event_queue_gap *gap, const struct procobsrv_event *event)
{
	const struct procobsrv_lost *lost = event->lost;

	if (event->kind == PROCOBSRV_LOST && lost) {
		gap->kinds[PROCOBSRV_START] += lost->start;
		gap->kinds[PROCOBSRV_EXEC] += lost->exec;
		gap->kinds[PROCOBSRV_EXEC_FAILED] += lost->exec_failed;
		gap->kinds[PROCOBSRV_EXIT] += lost->exit;
		gap->kinds[0] += lost->unknown;
		return;
	}
	gap->kinds[(unsigned)event->kind < EVENT_QUEUE_KINDS ? event->kind : 0]++;
}

void event_queue_lose(struct event_queue *queue, const struct procobsrv_event *event,
		      uint64_t ordinal)
{
	struct event_queue_gap *gap = &queue->gap;
	bool is_lost = event->kind == PROCOBSRV_LOST && event->lost;

	gap->ordinal = ordinal;
	gap->boot_ns = event->boot_ns;
	gap->to_ns = event->time_ns;
	if (!gap->from_ns)
		gap->from_ns = event->time_ns;
	/* What bears another's number tells a state, which later events tell too. */
	if (event->kind == PROCOBSRV_EXISTING || event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		return;
	count_kinds(gap, event);
	if (!gap->numbered)
		gap->first = is_lost ? event->lost->first : event->seq;
	gap->numbered += is_lost ? event->lost->count : 1;
	gap->last = event->seq;
	strncpy(gap->cursor, event->cursor ? event->cursor : "", sizeof(gap->cursor) - 1);
}

static struct event *make_lost(const struct event_queue_gap *gap)
{
	struct event *event = event_create(PROCOBSRV_LOST);

	if (!event)
		return NULL;
	event->public.seq = gap->last;
	event->public.time_ns = gap->to_ns;
	event->public.boot_ns = gap->boot_ns;
	event->public.lost = &event->detail.lost;
	event->detail.lost = (struct procobsrv_lost){
	    .first = gap->first,
	    .count = gap->numbered,
	    .start = gap->kinds[PROCOBSRV_START],
	    .exec = gap->kinds[PROCOBSRV_EXEC],
	    .exec_failed = gap->kinds[PROCOBSRV_EXEC_FAILED],
	    .exit = gap->kinds[PROCOBSRV_EXIT],
	    .unknown = gap->kinds[0],
	    .stage = "sink",
	    .reason = "queue full",
	    .from_ns = gap->from_ns,
	    .to_ns = gap->to_ns,
	};
	/* That of the last event which it stands for, marked. */
	memcpy(event->cursor, gap->cursor, sizeof(event->cursor));
	size_t length = strlen(event->cursor);
	if (length < sizeof(event->cursor) - 1)
		memcpy(event->cursor + length, "q", 2);
	return event;
}

bool event_queue_tell(struct event_queue *queue)
{
	if (queue->gap.numbered) {
		struct event *event = make_lost(&queue->gap);
		if (!event)
			return false;
		if (!append(queue, &event->public, queue->gap.ordinal)) {
			procobsrv_event_unref(&event->public);
			return false;
		}
	}
	queue->gap = (struct event_queue_gap){0};
	return true;
}

/* ---- taking ---- */

size_t event_queue_first(const struct event_queue *queue, size_t most,
			 const struct procobsrv_event **events)
{
	size_t count = queue->count < most ? queue->count : most;

	for (size_t index = 0; index < count; index++)
		events[index] = queue->entries[(queue->first + index) % queue->capacity].event;
	return count;
}

uint64_t event_queue_remove(struct event_queue *queue, size_t count)
{
	uint64_t ordinal = 0;

	for (; count && queue->count; count--) {
		const struct event_queue_entry *entry = &queue->entries[queue->first];
		ordinal = entry->ordinal;
		queue->bytes -= entry->bytes;
		queue->first = (queue->first + 1) % queue->capacity;
		queue->count--;
	}
	return ordinal;
}

void event_queue_free(struct event_queue *queue)
{
	for (size_t index = 0; index < queue->count; index++)
		procobsrv_event_unref(
		    queue->entries[(queue->first + index) % queue->capacity].event);
	free(queue->entries);
	*queue = (struct event_queue){0};
}
