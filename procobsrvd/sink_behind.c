/* SPDX-License-Identifier: MIT */
#include "sink_behind.h"

/* What has no record of its own: bounded, as nothing else bounds it. */
#define KEPT_COUNT_MOST 65536u
#define KEPT_BYTES_MOST (32u << 20)

int sink_behind_init(struct sink_behind *behind, const struct sink_behind_source *source,
		     void *param)
{
	behind->source = source;
	behind->param = param;
	return pthread_mutex_init(&behind->reading, NULL);
}

void sink_behind_destroy(struct sink_behind *behind)
{
	pthread_mutex_destroy(&behind->reading);
}

/* ---- passing by ---- */

bool sink_behind_begin(struct sink_behind *behind, uint64_t ordinal)
{
	if (!behind->source || !behind->source->begin(behind->param))
		return false;
	behind->is = true;
	behind->next_ordinal = ordinal;
	return true;
}

static void note_place(struct sink_behind *behind, const struct procobsrv_event *event)
{
	const struct event *object = (const struct event *)(const void *)event;

	if (!behind->any)
		behind->first = object->position;
	behind->any = true;
	behind->last = object->position;
	behind->resume = object->resume;
}

bool sink_behind_pass(struct sink_behind *behind, const struct procobsrv_event *event,
		      uint64_t ordinal)
{
	bool recorded = catch_up_has_record(event);

	behind->holds |= !behind->source->goes_on(behind->param);
	if (!recorded)
		behind->holds |=
		    event_queue_full(&behind->kept, KEPT_COUNT_MOST, KEPT_BYTES_MOST) ||
		    (!behind->holds && !event_queue_put(&behind->kept, event, ordinal));
	if (behind->holds)
		return false;
	if (recorded)
		note_place(behind, event);
	behind->last_ordinal = ordinal;
	behind->waiting++;
	return true;
}

/* ---- telling again ---- */

/* What is to come next, as both threads see it. */
struct plan {
	struct catch_up_range range;
	uint64_t first;
	const struct procobsrv_event *kept; /* a reference; NULL: none */
	uint64_t kept_ordinal;
	bool any;
};

/*
 * A kept event comes when its ordinal does, which is that of all events in their order. Where more
 * or fewer are read again than passed by (a filter looks at what is not known any more), its place
 * in the stream decides. What it concluded is for the table between the records before and after.
 */
static struct plan look(const struct sink_behind *behind)
{
	struct plan plan = {
	    .range = {behind->last, behind->last, behind->resume},
	    .first = behind->first,
	    .any = behind->any,
	};

	if (event_queue_first(&behind->kept, 1, &plan.kept) == 0)
		return plan;
	const struct event *object = (const struct event *)(const void *)plan.kept;
	procobsrv_event_ref(plan.kept);
	plan.kept_ordinal = behind->kept.entries[behind->kept.first].ordinal;
	uint64_t limit = object->position;
	if (plan.kept_ordinal <= behind->next_ordinal) {
		plan.any &= limit > 0;
		limit -= limit > 0;
	}
	if (limit < plan.range.limit)
		plan.range.limit = limit;
	return plan;
}

/* ENDED: none within the limit. */
static int read_next(struct sink_behind *behind, const struct plan *plan,
		     const struct procobsrv_event **event)
{
	int error = 0;

	if (!plan->any)
		return PROCOBSRV_ERROR_ENDED;
	if (!behind->again)
		error = behind->source->open(behind->param, plan->first, &behind->again);
	return error ? error : behind->source->next(behind->again, &plan->range, event);
}

/* The lock. */
static uint64_t take_ordinal(struct sink_behind *behind, uint64_t ordinal)
{
	/* None is beyond what was handed on. */
	if (ordinal > behind->last_ordinal)
		ordinal = behind->last_ordinal;
	behind->next_ordinal = ordinal + 1;
	behind->waiting -= behind->waiting > 0;
	behind->told++;
	return ordinal;
}

int sink_behind_next(struct sink_behind *behind, pthread_mutex_t *lock,
		     const struct procobsrv_event **event, uint64_t *ordinal)
{
	pthread_mutex_lock(lock);
	struct plan plan = look(behind);
	pthread_mutex_unlock(lock);
	int error = read_next(behind, &plan, event);
	bool is_kept = error == PROCOBSRV_ERROR_ENDED && plan.kept;

	if (is_kept) {
		error = 0;
		*event = plan.kept;
		if (behind->again)
			behind->source->conclude(behind->again, plan.kept);
	} else {
		procobsrv_event_unref(plan.kept);
		behind->reached = error == PROCOBSRV_ERROR_ENDED && plan.any;
		behind->position = plan.range.limit;
	}
	pthread_mutex_lock(lock);
	if (is_kept) {
		event_queue_remove(&behind->kept, 1);
		procobsrv_event_unref(plan.kept); /* the queue's */
	}
	if (!error)
		*ordinal = take_ordinal(behind, is_kept && plan.kept_ordinal > behind->next_ordinal
						    ? plan.kept_ordinal
						    : behind->next_ordinal);
	pthread_mutex_unlock(lock);
	return error;
}

/* ---- the end ---- */

static bool is_over(const struct sink_behind *behind)
{
	return !behind->kept.count &&
	       (!behind->any || (behind->reached && behind->position == behind->last));
}

bool sink_behind_end(struct sink_behind *behind, pthread_mutex_t *lock, bool force, uint64_t *told)
{
	struct event_queue kept = {0};

	pthread_mutex_lock(lock);
	bool over = behind->is && (force || is_over(behind));
	if (over) {
		kept = behind->kept;
		*told = behind->told;
		behind->kept = (struct event_queue){0};
		behind->is = behind->holds = behind->failed = behind->any = behind->reached = false;
		behind->waiting = behind->told = 0;
	}
	pthread_mutex_unlock(lock);
	if (!over)
		return false;
	event_queue_free(&kept);
	if (behind->again)
		behind->source->close(behind->again);
	behind->again = NULL;
	behind->source->end(behind->param);
	return true;
}
