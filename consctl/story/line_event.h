/* SPDX-License-Identifier: MIT */
/*
 * An event as a JSON line tells it, so that match expressions can look at it: what the fields'
 * table names, from where the JSON writer put it. Bytes that are not UTF-8 are U+FFFD there.
 */
#ifndef PROCOBSRV_CONSCTL_LINE_EVENT_H
#define PROCOBSRV_CONSCTL_LINE_EVENT_H

#include "buffer.h"
#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>

/* Zero to begin with; may be read into again and again. */
struct line_event {
	struct procobsrv_event event; /* valid until the next line is read */
	struct procobsrv_process process;
	struct procobsrv_process parent;
	struct procobsrv_process creator;
	struct procobsrv_exit exit;
	struct procobsrv_attempt attempt;
	struct procobsrv_lost lost;
	bool has_exit;
	struct buffer texts;	/* room for all of the line's: it never moves meanwhile */
	struct buffer pointers; /* likewise, for vectors */
};

/* False: the line tells no event (one that begins or ends a run, another program's, torn), or there
 * is no memory. */
bool line_event_read(struct line_event *event, const char *line, size_t size);

void line_event_free(struct line_event *event);

#endif
