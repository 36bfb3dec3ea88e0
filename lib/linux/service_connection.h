/* SPDX-License-Identifier: MIT */
/* A connection to the service: made, greeted, written and read frame by frame. */
#ifndef PROCOBSRV_LIB_LINUX_SERVICE_CONNECTION_H
#define PROCOBSRV_LIB_LINUX_SERVICE_CONNECTION_H

#include "service_protocol.h"

/* Where the service listens, unless PROCOBSRV_SERVICE_SOCKET names another path. */
#define SERVICE_SOCKET "/run/procobsrvd/socket"

struct service_connection {
	int descriptor; /* -1: none */
	struct buffer input;
	size_t read; /* bytes of it that have been taken */
};

/* Makes it none. */
void service_connection_clear(struct service_connection *connection);

/*
 * Connects, says hello and waits for the welcome. NOT_FOUND: nobody listens; PERMISSION, BUSY,
 * VERSION: the service refuses; SYSTEM, TIMEOUT, MEMORY, CORRUPT; with error_set(), and *connection
 * is none.
 */
int service_connection_open(const struct service_hello *hello,
			    struct service_connection *connection, struct service_welcome *welcome);
void service_connection_close(struct service_connection *connection);

/* Sends a request. SYSTEM with error_set(): the connection is gone, or the service does not read.
 */
int service_connection_ask(const struct service_connection *connection, enum service_kind kind,
			   const void *body, size_t size);

/* Reads what has come. 0; TIMEOUT: nothing has; ENDED: the connection is gone. What was returned by
 * service_connection_next() is not valid any more. */
int service_connection_read(struct service_connection *connection);

/* The next frame that is there whole: 1; 0: none; negative: an error of service_read_answer(). */
int service_connection_next(struct service_connection *connection, struct service_answer *answer);

/* An error that the service sent, as one of the library's. */
int service_connection_refusal(const struct service_error *error);

#endif
