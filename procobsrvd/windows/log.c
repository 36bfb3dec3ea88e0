/* SPDX-License-Identifier: MIT */
#include "event_log.h"

#include "wide.h"

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

/* As the text of the message goes: see setup.c. */
#define EVENT_ID 1

static HANDLE events; /* NULL: standard error */

void event_log_open(void)
{
	events = RegisterEventSourceW(NULL, EVENT_LOG_SOURCE);
}

void event_log_close(void)
{
	if (events)
		DeregisterEventSource(events);
	events = NULL;
}

static WORD type_of(enum log_priority priority)
{
	switch (priority) {
	case PRIORITY_ERROR:
		return EVENTLOG_ERROR_TYPE;
	case PRIORITY_WARNING:
		return EVENTLOG_WARNING_TYPE;
	default:
		return EVENTLOG_INFORMATION_TYPE;
	}
}

void log_write(enum log_priority priority, const char *line)
{
	wchar_t *wide = events ? wide_from_utf8(line) : NULL;

	if (wide) {
		const wchar_t *texts[] = {wide};
		ReportEventW(events, type_of(priority), 0, EVENT_ID, NULL, 1, 0, texts, NULL);
	} else {
		fprintf(stderr, "procobsrvd: %s\n", line);
		fflush(stderr);
	}
	free(wide);
}
