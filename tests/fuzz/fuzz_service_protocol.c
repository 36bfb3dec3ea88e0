/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a reader sends to the service, and as what the service sends to a reader: up to
 * the events that are made of the records.
 */
#include "dispatch.h"
#include "service_protocol.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct event *event, void *param)
{
	(void)param;
	procobsrv_event_unref(&event->public);
}

static void read_requests(const char *data, size_t size)
{
	struct service_request request;
	size_t offset = 0;
	int used;

	while ((used = service_read_request(data + offset, size - offset, &request)) > 0)
		offset += (size_t)used;
	if (offset > size)
		abort();
}

static void read_records(struct dispatch *dispatch, const struct service_answer *answer)
{
	bool with_positions = answer->kind == SERVICE_RECORDS;
	struct source_record record;
	size_t offset = 0;

	while (service_next_record(answer->data, answer->size, with_positions, &offset, &record) >
	       0) {
		if ((const char *)record.data + record.size > answer->data + answer->size)
			abort();
		dispatch_record(dispatch, answer->body.records.after.stream, &record);
	}
}

static void read_answers(struct dispatch *dispatch, const char *data, size_t size)
{
	struct service_answer answer;
	size_t offset = 0;
	int used;

	while ((used = service_read_answer(data + offset, size - offset, &answer)) > 0) {
		if (answer.kind == SERVICE_RECORDS || answer.kind == SERVICE_SNAPSHOT_PART)
			read_records(dispatch, &answer);
		offset += (size_t)used;
	}
	if (offset > size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own exact size, so that the sanitizer sees a read beyond the end. */
	char *copy = malloc(size ? size : 1);
	struct dispatch dispatch;

	if (size)
		memcpy(copy, data, size);
	read_requests(copy, size);
	if (!dispatch_init(&dispatch)) {
		dispatch.kinds = PROCOBSRV_KINDS_ALL;
		dispatch.deliver = drop;
		read_answers(&dispatch, copy, size);
		dispatch_free(&dispatch);
	}
	free(copy);
	return 0;
}
