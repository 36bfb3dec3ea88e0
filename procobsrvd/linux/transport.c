/* SPDX-License-Identifier: MIT */
/* Readers on a Unix socket: epoll waits for all of them, SO_PEERCRED tells who they are. */
#include "transport.h"

#include "error.h"
#include "log.h"
#include "os.h"
#include "unix_socket.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHECK_PATH_NS 2000000000u
#define POLL_EVENTS   64
#define GROUPS_MOST   65536u
#define GROUP_MEMORY  65536u

struct transport {
	char *path;
	struct unix_socket listening;
	int poll;	     /* epoll */
	int wake;	     /* eventfd */
	uint64_t checked_ns; /* when the path was looked at */
	bool path_lost;	     /* it could not be made again, which was told */
};

struct connection {
	int descriptor;
	int poll; /* the transport's */
	struct ucred peer;
	uint32_t watched; /* EPOLL bits */
	void *holder;
};

const char transport_place[] = "/run/procobsrvd/socket";
const char transport_privileged[] = "root";

/* ---- open and close ---- */

static int wait_for(const struct transport *transport, int descriptor, void *mark)
{
	struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = mark};

	if (epoll_ctl(transport->poll, EPOLL_CTL_ADD, descriptor, &wanted))
		return error_set_errno(errno, "cannot wait for readers");
	return 0;
}

static int make_descriptors(struct transport *transport)
{
	transport->poll = epoll_create1(EPOLL_CLOEXEC);
	transport->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (transport->poll < 0 || transport->wake < 0)
		return error_set_errno(errno, "cannot wait for readers");
	int error = wait_for(transport, transport->wake, transport);
	/* Who connects is asked who he is. */
	if (!error)
		error = unix_socket_listen(transport->path, 0666, NULL, &transport->listening);
	if (!error)
		error = wait_for(transport, transport->listening.descriptor, &transport->listening);
	return error;
}

int transport_open(const char *place, struct transport **opened)
{
	struct transport *transport = calloc(1, sizeof *transport);
	char *path = strdup(place);

	if (!transport || !path) {
		free(transport);
		free(path);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the readers' socket");
	}
	*transport =
	    (struct transport){.path = path, .listening = UNIX_SOCKET_NONE, .poll = -1, .wake = -1};
	int error = make_descriptors(transport);
	if (error)
		transport_close(transport);
	else
		*opened = transport;
	return error;
}

void transport_close(struct transport *transport)
{
	if (!transport)
		return;
	unix_socket_close(&transport->listening, transport->path);
	if (transport->poll >= 0)
		close(transport->poll);
	if (transport->wake >= 0)
		close(transport->wake);
	free(transport->path);
	free(transport);
}

/* Somebody removed the socket: it is made again, so that readers find it. */
void transport_tend(struct transport *transport)
{
	struct unix_socket made;
	uint64_t now = os_monotonic_ns();

	if (now - transport->checked_ns < CHECK_PATH_NS)
		return;
	transport->checked_ns = now;
	if (unix_socket_is_there(&transport->listening, transport->path))
		return;
	if (unix_socket_listen(transport->path, 0666, NULL, &made)) {
		if (!transport->path_lost)
			service_log(PRIORITY_ERROR, "readers: %s; trying again",
				    procobsrv_explain());
		transport->path_lost = true;
		return;
	}
	service_log(PRIORITY_WARNING,
		    "readers: the socket '%s' had been removed and was made again",
		    transport->path);
	transport->path_lost = false;
	close(transport->listening.descriptor);
	transport->listening = made;
	if (wait_for(transport, made.descriptor, &transport->listening))
		service_log(PRIORITY_ERROR, "readers: %s", procobsrv_explain());
}

/* ---- waiting ---- */

static struct connection *make_connection(const struct transport *transport, int descriptor)
{
	struct connection *connection = calloc(1, sizeof *connection);
	socklen_t size = sizeof connection->peer;

	if (connection &&
	    !getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &connection->peer, &size)) {
		connection->descriptor = descriptor;
		connection->poll = transport->poll;
		return connection;
	}
	free(connection);
	close(descriptor);
	return NULL;
}

static void accept_all(const struct transport *transport, const struct transport_calls *calls)
{
	int descriptor;

	/* cppcheck-suppress nullPointer ; accept(2) takes none for an address that is not wanted */
	while ((descriptor = accept4(transport->listening.descriptor, NULL, NULL,
				     SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = make_connection(transport, descriptor);
		if (connection)
			calls->connected(connection, calls->param);
	}
}

void transport_wait(struct transport *transport, int timeout_ms,
		    const struct transport_calls *calls)
{
	struct epoll_event events[POLL_EVENTS];
	int count = epoll_wait(transport->poll, events, POLL_EVENTS, timeout_ms);
	uint64_t woken;

	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr == transport) {
			if (read(transport->wake, &woken, sizeof woken) < 0)
				continue;
		} else if (events[i].data.ptr == &transport->listening) {
			accept_all(transport, calls);
		} else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
			const struct connection *connection = events[i].data.ptr;
			calls->readable(connection->holder, calls->param);
		}
	}
}

void transport_wake(struct transport *transport)
{
	const uint64_t one = 1;

	/* It cannot fail but by being full, and then it wakes. */
	if (write(transport->wake, &one, sizeof one) < 0)
		return;
}

/* ---- connections ---- */

void connection_watch(struct connection *connection, unsigned interests, void *holder)
{
	uint32_t events = (interests & CONNECTION_INPUT ? EPOLLIN : 0u) |
			  (interests & CONNECTION_ROOM ? EPOLLOUT : 0u);
	struct epoll_event wanted = {.events = events, .data.ptr = connection};

	connection->holder = holder;
	if (connection->watched == events)
		return;
	epoll_ctl(connection->poll, connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD,
		  connection->descriptor, &wanted);
	connection->watched = events;
}

int64_t connection_read(struct connection *connection, void *data, size_t size)
{
	ssize_t count = recv(connection->descriptor, data, size, 0);

	if (count > 0)
		return count;
	return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

int64_t connection_write(struct connection *connection, const void *data, size_t size)
{
	ssize_t count;

	do
		count = send(connection->descriptor, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (count < 0 && errno == EINTR);
	if (count < 0)
		return errno == EAGAIN ? 0 : -1;
	return count;
}

void connection_close(struct connection *connection)
{
	close(connection->descriptor);
	free(connection);
}

/* ---- who the peer is ---- */

uint32_t connection_owner(const struct connection *connection)
{
	return connection->peer.uid;
}

uint32_t connection_process(const struct connection *connection)
{
	return (uint32_t)connection->peer.pid;
}

static bool find_group(const char *name, gid_t *id)
{
	char *memory = malloc(GROUP_MEMORY);
	struct group entry, *found = NULL;

	if (memory && getgrnam_r(name, &entry, memory, GROUP_MEMORY, &found))
		found = NULL;
	if (found)
		*id = found->gr_gid;
	free(memory);
	return found;
}

bool connection_is_privileged(const struct connection *connection, const char *group)
{
	socklen_t size = GROUPS_MOST * sizeof(gid_t);
	gid_t wanted, *groups;
	bool member = false;

	if (connection->peer.uid == 0)
		return true;
	if (!group || !find_group(group, &wanted))
		return false;
	if (connection->peer.gid == wanted)
		return true;
	groups = malloc(size);
	if (groups && !getsockopt(connection->descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		for (size_t i = 0; i < size / sizeof *groups; i++)
			member |= groups[i] == wanted;
	free(groups);
	return member;
}
