/* SPDX-License-Identifier: MIT */
#include "batch_progress.h"

#include <stdio.h>
#include <string.h>

static const char *cursor_of(const struct procobsrv_event *event)
{
	return event->cursor ? event->cursor : "";
}

size_t batch_progress_resume(const struct batch_progress *progress,
			     const struct procobsrv_event *const *events, size_t count)
{
	const struct procobsrv_event *last;

	if (!progress->done || progress->done > count)
		return 0;
	/* Others may come instead, if the queue was emptied meanwhile. */
	last = events[progress->done - 1];
	if (last->seq != progress->seq ||
	    strncmp(cursor_of(last), progress->cursor, sizeof progress->cursor - 1) != 0)
		return 0;
	return progress->done;
}

void batch_progress_note(struct batch_progress *progress,
			 const struct procobsrv_event *const *events, size_t index)
{
	progress->done = index + 1;
	progress->seq = events[index]->seq;
	snprintf(progress->cursor, sizeof progress->cursor, "%s", cursor_of(events[index]));
}
