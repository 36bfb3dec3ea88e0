/* SPDX-License-Identifier: MIT */
/*
 * The connections of the metrics: when there are many, the one that has said nothing for longest
 * makes room, so that those who connect and are silent keep nobody out. A thread at a time.
 */
#ifndef PROCOBSRVD_METRICS_CONNECTIONS_H
#define PROCOBSRVD_METRICS_CONNECTIONS_H

#include <microhttpd.h>
#include <stdbool.h>

#define METRICS_CONNECTIONS_KEPT 16u

struct metrics_connection;

/* All zero: there are none. */
struct metrics_connections {
	struct metrics_connection *oldest;
	struct metrics_connection *newest;
	unsigned count;
	bool shut; /* some have been shut down since it was cleared: libmicrohttpd has to run */
};

/* An MHD_NotifyConnectionCallback; `param` is a struct metrics_connections. */
void metrics_connections_notify(void *param, struct MHD_Connection *connection, void **context,
				enum MHD_ConnectionNotificationCode code);

/* It has asked something. */
void metrics_connections_used(struct metrics_connections *connections,
			      struct MHD_Connection *connection);

#endif
