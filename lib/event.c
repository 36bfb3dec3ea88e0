/* SPDX-License-Identifier: MIT */
#include "event.h"

#include "hex.h"

#include <stdlib.h>
#include <string.h>

struct event *event_create(enum procobsrv_kind kind)
{
	struct event *event = calloc(1, sizeof *event);
	if (!event)
		return NULL;

	atomic_init(&event->references, 1);
	event->public.kind = kind;
	event->public.cursor = event->cursor;
	return event;
}

void event_set_cursor(struct event *event, uint64_t stream, uint64_t position, char sort,
		      uint64_t number)
{
	char *end = hex_append(event->cursor, stream);

	event->position = position;
	*end++ = ':';
	end = hex_append(end, position);
	if (sort) {
		*end++ = sort;
		end = hex_append(end, number);
	}
	*end = '\0';
}

void event_add_to_cursor(struct event *event, uint64_t number)
{
	char *end = event->cursor + strlen(event->cursor);

	*end++ = ':';
	*hex_append(end, number) = '\0';
}

const struct procobsrv_event *procobsrv_event_ref(const struct procobsrv_event *event)
{
	if (event)
		atomic_fetch_add_explicit(&((struct event *)(uintptr_t)event)->references, 1,
					  memory_order_relaxed);
	return event;
}

void procobsrv_event_unref(const struct procobsrv_event *public)
{
	struct event *event = (struct event *)(uintptr_t) public;

	if (!event || atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) != 1)
		return;
	procobsrv_process_unref(event->public.process);
	procobsrv_process_unref(event->public.parent);
	procobsrv_process_unref(event->public.creator);
	free(event->block);
	free(event);
}
