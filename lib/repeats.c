/* SPDX-License-Identifier: MIT */
#include "repeats.h"

#include "source.h"

#include <stdlib.h>
#include <string.h>

void repeats_free(struct repeats *repeats)
{
	free(repeats->last);
	*repeats = (struct repeats){0};
}

static struct repeats_last *last_of(struct repeats *repeats, uint32_t cpu)
{
	if (cpu < repeats->count)
		return &repeats->last[cpu];
	if (cpu >= SOURCE_SEQUENCES_MAX)
		return NULL;

	size_t count = (size_t)cpu + 1;
	struct repeats_last *grown = realloc(repeats->last, count * sizeof *grown);
	if (!grown)
		return NULL; /* a repeat may be told as an event */
	memset(grown + repeats->count, 0, (count - repeats->count) * sizeof *grown);
	repeats->last = grown;
	repeats->count = count;
	return &grown[cpu];
}

bool repeats_feed(struct repeats *repeats, const struct record_view *view)
{
	const struct record_header *header = view->header;
	struct repeats_last *last = last_of(repeats, header->cpu);

	if (!last || !view->body)
		return false;
	struct repeats_last now = {
	    .number = header->number,
	    .start_ns = view->body->process.start_ns,
	    .exec_id = view->body->exec_id,
	    .time_ns = header->time_ns,
	    .pid = view->body->process.pid,
	    .thread_pid = view->image ? view->image->thread_pid : 0,
	    .kind = header->kind,
	    .other = header->flags & RECORD_OTHER,
	};
	bool repeat = now.kind == last->kind && now.number == last->number + 1 &&
		      now.pid == last->pid && now.start_ns == last->start_ns &&
		      now.exec_id == last->exec_id;
	if (repeat && now.kind == RECORD_EXEC_FAILED)
		repeat = !last->repeat && now.other != last->other &&
			 now.thread_pid == last->thread_pid &&
			 now.time_ns - last->time_ns < REPEATS_APART_NS;
	now.repeat = repeat;
	*last = now;
	return repeat;
}
