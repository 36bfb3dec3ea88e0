/* SPDX-License-Identifier: MIT */
#include "format.h"

#include "error.h"

#include <string.h>

const char *procobsrv_kind_name(enum procobsrv_kind kind)
{
	switch (kind) {
	case PROCOBSRV_EXISTING:
		return "existing";
	case PROCOBSRV_START:
		return "start";
	case PROCOBSRV_EXEC:
		return "exec";
	case PROCOBSRV_EXEC_FAILED:
		return "exec_failed";
	case PROCOBSRV_EXIT:
		return "exit";
	case PROCOBSRV_LOST:
		return "lost";
	}
	return "unknown";
}

/* As snprintf copies: what fits, and a NUL; the line end is not part of the text. */
static intptr_t copy_line(const struct buffer *line, char *text, size_t size)
{
	size_t length = line->size - 1;

	if (size > 0) {
		size_t copied = length < size ? length : size - 1;

		memcpy(text, line->data, copied);
		text[copied] = 0;
	}
	return (intptr_t)length;
}

intptr_t procobsrv_format(const struct procobsrv_event *event, enum procobsrv_format format,
			  char *buffer, size_t size)
{
	static const struct format_text_options no_options = {0};
	struct buffer line = BUFFER_EMPTY;
	intptr_t length;

	if (event == NULL || (buffer == NULL && size > 0))
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "cannot format: %s is NULL",
				 event == NULL ? "event" : "buffer");
	switch (format) {
	case PROCOBSRV_FORMAT_TEXT:
		format_text_event(&line, event, &no_options);
		break;
	case PROCOBSRV_FORMAT_JSON:
		format_json_event(&line, event);
		break;
	case PROCOBSRV_FORMAT_ECS:
		format_ecs_event(&line, event);
		break;
	default:
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "cannot format an event: there is no format number %d",
				 (int)format);
	}
	if (line.failed)
		length = error_set(PROCOBSRV_ERROR_MEMORY, "cannot format an event: out of memory");
	else
		length = copy_line(&line, buffer, size);
	buffer_free(&line);
	return length;
}
