/* SPDX-License-Identifier: MIT */
/*
 * Any lines become a story, and any story a page, a trace and a summary that are well-formed: no
 * text of theirs ends the script element, breaks the JSON or steers a terminal.
 */
#include "format.h"
#include "json_scan.h"
#include "line_event.h"
#include "story.h"
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool fine)
{
	if (!fine)
		abort();
}

static size_t occurrences(const char *text, const char *wanted)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, wanted)); at += strlen(wanted))
		count++;
	return count;
}

static void check_page(const struct story *story)
{
	static const char begin[] = "<script id=\"data\" type=\"application/json\">";
	struct buffer page = BUFFER_EMPTY;
	const char *json;
	const char *end;

	timeline_append_html(story, "a </title> & <title>", &page);
	buffer_append_character(&page, '\0');
	require(!page.failed && strlen(page.data) + 1 == page.size);
	require(occurrences(page.data, "<script") == 2 && occurrences(page.data, "</script") == 2);
	require(occurrences(page.data, "<title>") == 1);
	json = strstr(page.data, begin) + sizeof(begin) - 1;
	end = strchr(json, '<');
	require(json_scan(json, (size_t)(end - json), NULL, NULL));
	buffer_free(&page);
}

static void check_trace(const struct story *story)
{
	struct buffer trace = BUFFER_EMPTY;

	timeline_append_trace(story, "\"\\\n", &trace);
	require(!trace.failed && json_scan(trace.data, trace.size, NULL, NULL));
	buffer_free(&trace);
}

static void check_summary(const struct story *story)
{
	struct buffer summary = BUFFER_EMPTY;

	story_append_summary(story, &summary, 60);
	require(!summary.failed);
	for (size_t index = 0; index < summary.size; index++) {
		unsigned char character = (unsigned char)summary.data[index];

		require((character >= ' ' && character != 0x7f) || character == '\n');
	}
	buffer_free(&summary);
}

/* What was read of a line can be written again, and is JSON then. */
static void check_event(const struct procobsrv_event *event)
{
	struct buffer line = BUFFER_EMPTY;

	format_json_event(&line, event);
	require(line.failed || json_scan(line.data, line.size - 1, NULL, NULL));
	buffer_free(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	const char *end = line + size;
	struct line_event event = {0};
	struct story story;

	story_open(&story);
	while (line < end) {
		const char *line_end = memchr(line, '\n', (size_t)(end - line));

		if (!line_end)
			line_end = end;
		story_add_line(&story, line, (size_t)(line_end - line));
		if (line_event_read(&event, line, (size_t)(line_end - line)))
			check_event(&event.event);
		line = line_end + 1;
	}
	require(!story.failed);
	check_page(&story);
	check_trace(&story);
	check_summary(&story);
	story_close(&story);
	line_event_free(&event);
	return 0;
}
