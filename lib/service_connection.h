/* SPDX-License-Identifier: MIT */
/* A connection to the service: made, greeted, written and read frame by frame. */
#ifndef PROCOBSRV_LIB_SERVICE_CONNECTION_H
#define PROCOBSRV_LIB_SERVICE_CONNECTION_H

#include "service_channel.h"
#include "service_protocol.h"

/* All zero: none. Threads as for the channel. */
struct service_connection {
	struct service_channel *channel;
	struct buffer input;
	size_t read; /* bytes of it that have been taken */
};

/*
 * Connects, says hello and waits so long for the welcome. NOT_FOUND: nobody listens; PERMISSION,
 * BUSY, VERSION: the service refuses; SYSTEM, TIMEOUT, MEMORY, CORRUPT; with error_set(), and
 * *connection is none.
 */
int service_connection_open(const struct service_hello *hello, uint64_t patience_ns,
			    struct service_connection *connection, struct service_welcome *welcome);
/* Makes it none. */
void service_connection_close(struct service_connection *connection);

/* Sends a request. SYSTEM with error_set(): the connection is gone, or the service does not read.
 */
int service_connection_ask(const struct service_connection *connection, enum service_kind kind,
			   const void *body, size_t size);

/* service_channel_wait(); a connection that is none is waited for in vain. */
int service_connection_wait(const struct service_connection *connection, struct os_event *wake,
			    int timeout_ms);

/* Reads what has come. 0; TIMEOUT: nothing has; ENDED: the connection is gone. What was returned by
 * service_connection_next() is not valid any more. */
int service_connection_read(struct service_connection *connection);

/* The next frame that is there whole: 1; 0: none; negative: an error of service_read_answer(). */
int service_connection_next(struct service_connection *connection, struct service_answer *answer);

/* An error that the service sent, as one of the library's. */
int service_connection_refusal(const struct service_error *error);

#endif
