/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a stream of records, through the decoder and all that comes after it, up to the
 * lines that are written and the record that a checkpoint keeps. Input: records back to back, each
 * preceded by two bytes of length; a short header is completed so that the fuzzer gets past the
 * first checks.
 */
#include "dispatch.h"
#include "format.h"
#include "record_build.h"

#include <stdlib.h>
#include <string.h>

/* What is kept of a process must be one that can be read again. */
static void keep(const struct procobsrv_process *process)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct record_header header;
	struct record_view view;

	record_build_existing_of(process, &buffer);
	memcpy(&header, buffer.data, sizeof header);
	if (process->pid != 0 && record_decode(buffer.data, header.size, &view) != 0)
		abort();
	buffer_free(&buffer);
}

static void tell(struct event *event, void *param)
{
	struct format_text_options options = {.columns = 100};
	struct buffer *lines = param;

	lines->size = 0;
	format_json_event(lines, &event->public);
	format_text_event(lines, &event->public, &options);
	if (memchr(lines->data, 0, lines->size) != NULL)
		abort();
	if (event->public.process != NULL)
		keep(event->public.process);
	procobsrv_event_unref(&event->public);
}

static void feed(struct dispatch *dispatch, const uint8_t *bytes, size_t size)
{
	/* Of its own exact size, so that the sanitizer sees a read beyond the end. */
	char *data = malloc(size ? size : 1);
	struct record_header header;

	memcpy(data, bytes, size);
	if (size >= sizeof header) {
		memcpy(&header, data, sizeof header);
		header.size = (uint32_t)size;
		header.version = RECORD_VERSION;
		/* Those that there are, one that is none, and two notes. */
		header.kind %= RECORD_GAP + 4;
		if (header.kind > RECORD_GAP + 1)
			header.kind = (uint16_t)(header.kind - (RECORD_GAP + 2) + RECORD_CGROUP);
		header.cpu %= 8;
		memcpy(data, &header, sizeof header);
	}
	struct source_record record = {data, (uint32_t)size, 0};
	dispatch_record(dispatch, 1, &record);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const variables[] = {"PATH", "A", NULL};
	struct buffer lines = BUFFER_EMPTY;
	struct dispatch dispatch;

	if (dispatch_init(&dispatch))
		return 0;
	dispatch.kinds = PROCOBSRV_KINDS_ALL;
	dispatch.env_names = variables;
	dispatch.root_pid = size ? data[0] & 1 : 0;
	dispatch.deliver = tell;
	dispatch.param = &lines;
	while (size > 2) {
		size_t length = (size_t)data[0] | (size_t)(data[1] & 3) << 8;
		data += 2;
		size -= 2;
		if (length > size)
			length = size;
		feed(&dispatch, data, length);
		data += length;
		size -= length;
	}
	dispatch_free(&dispatch);
	buffer_free(&lines);
	return 0;
}
