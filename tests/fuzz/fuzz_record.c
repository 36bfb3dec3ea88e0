/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a stream of records, through the decoder and all that comes after it. Input: records
 * back to back, each preceded by two bytes of length; a short header is completed so that the
 * fuzzer gets past the first checks.
 */
#include "dispatch.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct event *event, void *param)
{
	(void)param;
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
		header.kind %= RECORD_GAP + 2;
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
	struct dispatch dispatch;

	if (dispatch_init(&dispatch))
		return 0;
	dispatch.kinds = PROCOBSRV_KINDS_ALL;
	dispatch.env_names = variables;
	dispatch.root_pid = size ? data[0] & 1 : 0;
	dispatch.deliver = drop;
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
	return 0;
}
