/* SPDX-License-Identifier: MIT */
#include "service_connection.h"

#include "error.h"

#include <string.h>

#define READ_SIZE (256u << 10)

void service_connection_close(struct service_connection *connection)
{
	service_channel_close(connection->channel);
	buffer_free(&connection->input);
	*connection = (struct service_connection){0};
}

int service_connection_refusal(const struct service_error *error)
{
	int code = error->code < 0 ? error->code : PROCOBSRV_ERROR_SYSTEM;

	return error_set(code, "the service refuses: %s", error->text);
}

int service_connection_ask(const struct service_connection *connection, enum service_kind kind,
			   const void *body, size_t size)
{
	struct buffer frame = BUFFER_EMPTY;
	int result;

	if (!connection->channel)
		return error_set(PROCOBSRV_ERROR_SYSTEM, "the service has ended");
	service_write(&frame, kind, body, size);
	if (frame.failed)
		result = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a request");
	else
		result = service_channel_send(connection->channel, frame.data, frame.size);
	buffer_free(&frame);
	return result;
}

int service_connection_wait(const struct service_connection *connection, struct os_event *wake,
			    int timeout_ms)
{
	return service_channel_wait(connection->channel, wake, timeout_ms);
}

int service_connection_read(struct service_connection *connection)
{
	struct buffer *input = &connection->input;
	size_t size;

	/* What is left moves to the beginning, so that it stays aligned. */
	if (connection->read) {
		memmove(input->data, input->data + connection->read,
			input->size - connection->read);
		input->size -= connection->read;
		connection->read = 0;
	}
	if (!buffer_reserve(input, READ_SIZE))
		return PROCOBSRV_ERROR_ENDED;
	int result = service_channel_receive(connection->channel, input->data + input->size,
					     READ_SIZE, &size);
	if (result)
		return result;
	input->size += size;
	return 0;
}

int service_connection_next(struct service_connection *connection, struct service_answer *answer)
{
	const struct buffer *input = &connection->input;

	if (!input->data)
		return 0;
	int used = service_read_answer(input->data + connection->read,
				       input->size - connection->read, answer);
	if (used <= 0)
		return used;
	connection->read += (size_t)used;
	return 1;
}

/* The first answer. */
static int await(struct service_connection *connection, uint64_t patience_ns,
		 struct service_answer *answer)
{
	uint64_t now = os_monotonic_ns(), end = now + patience_ns;
	int result;

	for (; !(result = service_connection_next(connection, answer)); now = os_monotonic_ns()) {
		if (now >= end)
			return error_set(PROCOBSRV_ERROR_TIMEOUT,
					 "the service does not answer: it may be overloaded; look "
					 "with %s",
					 service_channel_look);
		service_connection_wait(connection, NULL, (int)((end - now) / 1000000) + 1);
		if (service_connection_read(connection) == PROCOBSRV_ERROR_ENDED)
			break;
	}
	if (!result)
		result = service_connection_next(connection, answer);
	if (result > 0)
		return 0;
	return result ? result
		      : error_set(PROCOBSRV_ERROR_SYSTEM, "the service closed the connection");
}

static int greet(struct service_connection *connection, const struct service_hello *hello,
		 uint64_t patience_ns, struct service_welcome *welcome)
{
	struct service_answer answer = {0};
	/* If it refuses before it has read this, why it does still comes. */
	int asked = service_connection_ask(connection, SERVICE_HELLO, hello, sizeof *hello);
	int error = await(connection, patience_ns, &answer);

	if (error)
		return asked ? asked : error;
	if (answer.kind == SERVICE_ERROR)
		return service_connection_refusal(&answer.body.error);
	if (answer.kind != SERVICE_WELCOME)
		return error_set(PROCOBSRV_ERROR_CORRUPT, "the service does not welcome, but %u",
				 answer.kind);
	if (answer.body.welcome.record_version != RECORD_VERSION)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "the service's records have version %u, not %u: library and "
				 "service must be of one release",
				 answer.body.welcome.record_version, RECORD_VERSION);
	*welcome = answer.body.welcome;
	return 0;
}

int service_connection_open(const struct service_hello *hello, uint64_t patience_ns,
			    struct service_connection *connection, struct service_welcome *welcome)
{
	*connection = (struct service_connection){0};
	int error = service_channel_open(&connection->channel);

	if (!error)
		error = greet(connection, hello, patience_ns, welcome);
	if (!error)
		return 0;
	char explanation[ERROR_TEXT_SIZE];
	error_save(explanation);
	service_connection_close(connection);
	error_restore(explanation);
	return error;
}
