/* SPDX-License-Identifier: MIT */
/* lib/service_channel.h for Linux: a Unix socket. */
#include "service_channel.h"

#include "error.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* Where the service listens, unless PROCOBSRV_SERVICE_SOCKET names another path. */
#define SERVICE_SOCKET "/run/procobsrvd/socket"

const char service_channel_look[] = "systemctl status procobsrvd";

struct service_channel {
	int descriptor;
};

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

int service_channel_open(struct service_channel **opened)
{
	struct service_channel *channel = malloc(sizeof *channel);

	if (!channel)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a connection");
	int error = make(&channel->descriptor);
	if (error) {
		free(channel);
		return error;
	}
	*opened = channel;
	return 0;
}

void service_channel_close(struct service_channel *channel)
{
	if (!channel)
		return;
	close(channel->descriptor);
	free(channel);
}

int service_channel_send(struct service_channel *channel, const void *data, size_t size)
{
	/* Requests are so small that they fit in, or nobody reads them. */
	if (send(channel->descriptor, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)size)
		return error_set_errno(errno, "cannot ask the service");
	return 0;
}

int service_channel_receive(struct service_channel *channel, void *data, size_t size,
			    size_t *received)
{
	ssize_t count;

	do
		count = recv(channel->descriptor, data, size, MSG_DONTWAIT);
	while (count < 0 && errno == EINTR);
	if (count < 0 && errno == EAGAIN)
		return PROCOBSRV_ERROR_TIMEOUT;
	if (count <= 0)
		return PROCOBSRV_ERROR_ENDED;
	*received = (size_t)count;
	return 0;
}

int service_channel_wait(struct service_channel *channel, struct os_event *wake, int timeout_ms)
{
	struct pollfd waits[] = {
	    {.fd = wake ? (int)os_event_handle(wake) : -1, .events = POLLIN},
	    {.fd = channel ? channel->descriptor : -1, .events = POLLIN},
	};
	int count = poll(waits, 2, timeout_ms);

	if (count > 0 && waits[0].revents)
		os_event_clear(wake);
	return count > 0 && waits[1].revents ? 0 : PROCOBSRV_ERROR_TIMEOUT;
}
