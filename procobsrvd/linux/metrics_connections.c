/* SPDX-License-Identifier: MIT */
#include "metrics_connections.h"

#include <stdlib.h>
#include <sys/socket.h>

struct metrics_connection {
	struct metrics_connection *older;
	struct metrics_connection *newer;
	int descriptor; /* libmicrohttpd's; -1: it is shut down already */
};

static void take_out(struct metrics_connections *connections, struct metrics_connection *one)
{
	*(one->older ? &one->older->newer : &connections->oldest) = one->newer;
	*(one->newer ? &one->newer->older : &connections->newest) = one->older;
}

static void put_newest(struct metrics_connections *connections, struct metrics_connection *one)
{
	one->older = connections->newest;
	one->newer = NULL;
	*(one->older ? &one->older->newer : &connections->oldest) = one;
	connections->newest = one;
}

/* libmicrohttpd closes it when it runs, and tells so. */
static void make_room(struct metrics_connections *connections)
{
	unsigned open = connections->count;

	for (struct metrics_connection *one = connections->oldest;
	     one && open > METRICS_CONNECTIONS_KEPT; one = one->newer, open--) {
		if (one->descriptor < 0)
			continue;
		shutdown(one->descriptor, SHUT_RDWR);
		one->descriptor = -1;
		connections->shut = true;
	}
}

void metrics_connections_notify(void *param, struct MHD_Connection *connection, void **context,
				enum MHD_ConnectionNotificationCode code)
{
	struct metrics_connections *connections = param;
	struct metrics_connection *one = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		/* Without memory it is one that ends by libmicrohttpd's own limits. */
		if ((one = calloc(1, sizeof *one)) == NULL)
			return;
		one->descriptor =
		    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			->connect_fd;
		*context = one;
		put_newest(connections, one);
		connections->count++;
		make_room(connections);
	} else if (one != NULL) {
		take_out(connections, one);
		connections->count--;
		free(one);
		*context = NULL;
	}
}

void metrics_connections_used(struct metrics_connections *connections,
			      struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct metrics_connection *one = info->socket_context;

	if (one == NULL)
		return;
	take_out(connections, one);
	put_newest(connections, one);
}
