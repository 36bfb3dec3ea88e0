/* SPDX-License-Identifier: MIT */
/* The objects behind const struct procobsrv_event. */
#ifndef PROCOBSRV_LIB_EVENT_H
#define PROCOBSRV_LIB_EVENT_H

#include "procobsrv.h"

#include <stdatomic.h>

#define EVENT_CURSOR_SIZE 72

struct event {
	struct procobsrv_event public; /* first: what users hold is a pointer to it */
	atomic_uint references;
	struct event *next; /* while it waits to be fetched */
	char cursor[EVENT_CURSOR_SIZE];
	uint64_t position; /* that its cursor tells */
	uint64_t resume;   /* position where a reader goes on after it */
	uint64_t read;	   /* struct gaps.read with it */
	uint64_t repeats;  /* struct gaps.repeats with it */
	void *block;	   /* memory of the attempt's strings */
	union {
		struct procobsrv_exit exit;
		struct procobsrv_attempt attempt;
		struct procobsrv_lost lost;
	} detail;
};

/* An empty event with one reference, the caller's; public.cursor is set to "". NULL: no memory. */
struct event *event_create(enum procobsrv_kind kind);

/* What makes an event unique: its place in the kernel's stream, and for those that have no record
 * of their own what sort they are ('\0': a record; 'x': existing, 'r': resync, 'l': lost) and
 * which. */
void event_set_cursor(struct event *event, uint64_t stream, uint64_t position, char sort,
		      uint64_t number);
/* Behind it ":number"; once. */
void event_add_to_cursor(struct event *event, uint64_t number);

#endif
