/* SPDX-License-Identifier: MIT */
#include "service_connection.h"

#include "error.h"
#include "os.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_SIZE  (256u << 10)
#define WELCOME_NS 10000000000u

void service_connection_clear(struct service_connection *connection)
{
	*connection = (struct service_connection){.descriptor = -1};
}

void service_connection_close(struct service_connection *connection)
{
	if (connection->descriptor >= 0)
		close(connection->descriptor);
	buffer_free(&connection->input);
	service_connection_clear(connection);
}

static int explain_connect(int error, const char *path)
{
	if (error == ENOENT || error == ECONNREFUSED)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "no service listens on %s: start procobsrvd, or name its socket "
				 "in PROCOBSRV_SERVICE_SOCKET",
				 path);
	return error_set_errno(error, "cannot connect to the service at %s", path);
}

static int make(int *descriptor)
{
	const char *path = secure_getenv("PROCOBSRV_SERVICE_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (!path || !*path)
		path = SERVICE_SOCKET;
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "the path in PROCOBSRV_SERVICE_SOCKET is longer than %zu bytes",
				 sizeof address.sun_path - 1);
	memcpy(address.sun_path, path, strlen(path));
	int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (made < 0)
		return error_set_errno(errno, "cannot make a socket");
	/* Local, so it is there at once; a queue that is full is not waited for without end. */
	const struct timeval patience = {.tv_sec = 5};
	setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(made, (const struct sockaddr *)&address, sizeof address)) {
		int error = errno;
		close(made);
		return explain_connect(error, path);
	}
	*descriptor = made;
	return 0;
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
	int result = 0;

	if (connection->descriptor < 0)
		return error_set(PROCOBSRV_ERROR_SYSTEM, "the service has ended");
	service_write(&frame, kind, body, size);
	/* Requests are so small that they fit in, or nobody reads them. */
	if (frame.failed)
		result = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a request");
	else if (send(connection->descriptor, frame.data, frame.size,
		      MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)frame.size)
		result = error_set_errno(errno, "cannot ask the service");
	buffer_free(&frame);
	return result;
}

int service_connection_read(struct service_connection *connection)
{
	struct buffer *input = &connection->input;
	ssize_t size;

	/* What is left moves to the beginning, so that it stays aligned. */
	if (connection->read) {
		memmove(input->data, input->data + connection->read,
			input->size - connection->read);
		input->size -= connection->read;
		connection->read = 0;
	}
	if (!buffer_reserve(input, READ_SIZE))
		return PROCOBSRV_ERROR_ENDED;
	do
		size = recv(connection->descriptor, input->data + input->size, READ_SIZE,
			    MSG_DONTWAIT);
	while (size < 0 && errno == EINTR);
	if (size < 0 && errno == EAGAIN)
		return PROCOBSRV_ERROR_TIMEOUT;
	if (size <= 0)
		return PROCOBSRV_ERROR_ENDED;
	input->size += (size_t)size;
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
static int await(struct service_connection *connection, struct service_answer *answer)
{
	uint64_t end = os_monotonic_ns() + WELCOME_NS;
	int result;

	while (!(result = service_connection_next(connection, answer))) {
		struct pollfd wait = {.fd = connection->descriptor, .events = POLLIN};
		if (os_monotonic_ns() >= end)
			return error_set(PROCOBSRV_ERROR_TIMEOUT,
					 "the service does not answer: it may be overloaded; look "
					 "with systemctl status procobsrvd");
		poll(&wait, 1, 1000);
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
		 struct service_welcome *welcome)
{
	struct service_answer answer = {0};
	/* If it refuses before it has read this, why it does still comes. */
	int asked = service_connection_ask(connection, SERVICE_HELLO, hello, sizeof *hello);
	int error = await(connection, &answer);

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

int service_connection_open(const struct service_hello *hello,
			    struct service_connection *connection, struct service_welcome *welcome)
{
	service_connection_clear(connection);
	int error = make(&connection->descriptor);

	if (!error)
		error = greet(connection, hello, welcome);
	if (!error)
		return 0;
	char explanation[ERROR_TEXT_SIZE];
	error_save(explanation);
	service_connection_close(connection);
	error_restore(explanation);
	return error;
}
