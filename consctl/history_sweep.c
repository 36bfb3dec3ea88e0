/* SPDX-License-Identifier: MIT */
/*
 * Many lives as one stream of events. Lives are loaded in the order in which they began and kept
 * until their last event is told: never more than ran at once.
 */
#include "consctl.h"
#include "history.h"

#include <stdlib.h>

#define LIVES_AT_ONCE 256 /* loaded between two pauses */

struct strand {
	struct record_life *life;
	size_t next; /* event */
	size_t order;
};

struct loom {
	struct history *history;
	const struct history_sweep *sweep;
	struct record_start *starts;
	size_t start_count;
	size_t next_start;
	struct record_losses losses;
	size_t next_loss;
	struct strand *heap; /* the one whose next event is the earliest at its root */
	size_t count;
	size_t capacity;
};

static int64_t time_of(const struct strand *strand)
{
	return strand->life->events[strand->next]->time_ns;
}

/* Of the same time: who began first, and so a parent before its child. */
static bool before(const struct strand *one, const struct strand *other)
{
	int64_t left = time_of(one);
	int64_t right = time_of(other);

	return left != right ? left < right : one->order < other->order;
}

static void swap(struct strand *one, struct strand *other)
{
	struct strand kept = *one;

	*one = *other;
	*other = kept;
}

static void sift_down(struct loom *loom)
{
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= loom->count)
			return;
		if (child + 1 < loom->count && before(&loom->heap[child + 1], &loom->heap[child]))
			child++;
		if (!before(&loom->heap[child], &loom->heap[at]))
			return;
		swap(&loom->heap[child], &loom->heap[at]);
		at = child;
	}
}

static bool push(struct loom *loom, struct record_life *life, size_t order)
{
	size_t at = loom->count;

	if (at == loom->capacity) {
		size_t capacity = loom->capacity ? loom->capacity * 2 : 64;
		struct strand *heap = realloc(loom->heap, capacity * sizeof(*heap));

		if (!heap)
			return false;
		loom->heap = heap;
		loom->capacity = capacity;
	}
	loom->heap[loom->count++] = (struct strand){life, 0, order};
	for (; at && before(&loom->heap[at], &loom->heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&loom->heap[at], &loom->heap[(at - 1) / 2]);
	return true;
}

static int tell_losses_before(struct loom *loom, int64_t time_ns)
{
	int status = STATUS_FINE;

	while (status == STATUS_FINE && loom->next_loss < loom->losses.count &&
	       loom->losses.events[loom->next_loss].time_ns < time_ns)
		status = loom->sweep->on_event(&loom->losses.events[loom->next_loss++],
					       loom->sweep->param);
	return status;
}

/* The events that come before all those of lives that begin at `time_ns` or later. */
static int tell_before(struct loom *loom, int64_t time_ns)
{
	int status = STATUS_FINE;

	while (status == STATUS_FINE && loom->count && time_of(&loom->heap[0]) < time_ns) {
		struct strand *first = &loom->heap[0];

		status = tell_losses_before(loom, time_of(first));
		if (status == STATUS_FINE)
			status = loom->sweep->on_event(first->life->events[first->next],
						       loom->sweep->param);
		if (++first->next == first->life->count) {
			record_life_free(first->life);
			*first = loom->heap[--loom->count];
		}
		sift_down(loom);
	}
	return status;
}

static int load_one(struct loom *loom)
{
	size_t order = loom->next_start++;
	struct record_life *life;
	int error = record_life_load(loom->history->reader, loom->starts[order].process, &life);

	if (error == PROCOBSRV_ERROR_NOT_FOUND)
		return STATUS_FINE;
	if (error)
		return history_failed(error);
	if (!life->count) {
		record_life_free(life);
		return STATUS_FINE;
	}
	if (push(loom, life, order))
		return STATUS_FINE;
	record_life_free(life);
	complain("out of memory for %zu processes", loom->count);
	return STATUS_FAILED;
}

static int load_some(struct loom *loom)
{
	int error = record_reader_begin(loom->history->reader);
	int status = error ? history_failed(error) : STATUS_FINE;

	for (int count = 0;
	     status == STATUS_FINE && count < LIVES_AT_ONCE && loom->next_start < loom->start_count;
	     count++) {
		status = tell_before(loom, loom->starts[loom->next_start].start_ns);
		if (status == STATUS_FINE)
			status = load_one(loom);
	}
	if (!error)
		record_reader_end(loom->history->reader);
	return status;
}

static int run(struct loom *loom)
{
	int status = STATUS_FINE;

	while (status == STATUS_FINE && loom->next_start < loom->start_count) {
		status = load_some(loom);
		if (status == STATUS_FINE)
			status = loom->sweep->pause(loom->sweep->param);
	}
	if (status == STATUS_FINE)
		status = tell_before(loom, INT64_MAX);
	if (status == STATUS_FINE)
		status = tell_losses_before(loom, INT64_MAX);
	return status == STATUS_FINE ? loom->sweep->pause(loom->sweep->param) : status;
}

int history_sweep(struct history *history, const struct history_sweep *sweep)
{
	struct loom loom = {.history = history, .sweep = sweep};
	int error = record_starts_load(history->reader, sweep->processes, sweep->process_count,
				       &loom.starts, &loom.start_count);
	int status;

	if (!error && sweep->losses)
		error = record_losses_load(history->reader, sweep->losses, &loom.losses);
	status = error ? history_failed(error) : run(&loom);
	while (loom.count)
		record_life_free(loom.heap[--loom.count].life);
	free(loom.heap);
	free(loom.starts);
	record_losses_free(&loom.losses);
	return status;
}
