/* SPDX-License-Identifier: MIT */
/*
 * Bytes to the service and back: what an OS supplies for service_connection.h. One implementation
 * per OS folder (lib/linux/service_channel.c: a Unix socket, lib/windows/service_channel.c: a named
 * pipe).
 *
 * One thread opens, waits, receives and closes. Any may send, one at a time, while it is open.
 */
#ifndef PROCOBSRV_LIB_SERVICE_CHANNEL_H
#define PROCOBSRV_LIB_SERVICE_CHANNEL_H

#include "os.h"

struct service_channel;

/* What a user may type to see how the service does: "systemctl status procobsrvd". */
extern const char service_channel_look[];

/*
 * Connects to where the service listens: what PROCOBSRV_SERVICE_SOCKET names, or else the system's
 * own place for it. NOT_FOUND: nobody listens; PERMISSION: this user may not connect, or who
 * listens is not the service; ARGUMENT: the name is none; BUSY, SYSTEM, MEMORY; with error_set().
 */
int service_channel_open(struct service_channel **opened);
void service_channel_close(struct service_channel *channel); /* NULL is allowed */

/* Sends all of it, or none that would matter: it does not wait for a service that does not read.
 * SYSTEM and others with error_set(). */
int service_channel_send(struct service_channel *channel, const void *data, size_t size);

/* Takes what has come, at most `size` bytes. 0; TIMEOUT: nothing has; ENDED: the other end is gone.
 */
int service_channel_receive(struct service_channel *channel, void *data, size_t size,
			    size_t *received);

/*
 * Waits at most timeout_ms (-1: without end) for something to receive, the end included: 0.
 * TIMEOUT: nothing came, or `wake` was set. Clears `wake`. Either may be NULL.
 */
int service_channel_wait(struct service_channel *channel, struct os_event *wake, int timeout_ms);

#endif
