/* SPDX-License-Identifier: MIT */
/*
 * How readers reach the server: a place that programs connect to, connections of which none ever
 * blocks, and one wait for all of them. One implementation per OS folder: a Unix socket, or a named
 * pipe.
 *
 * Threads: transport_wake() is for any; all else is for one at a time.
 */
#ifndef PROCOBSRVD_TRANSPORT_H
#define PROCOBSRVD_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport;
struct connection;

/* Where the service listens unless the configuration names another place. */
extern const char transport_place[];
/* Who sees all processes besides the members of a group: "root", for messages. */
extern const char transport_privileged[];

/*
 * Listens at `place`: the path of a socket, or the name of a pipe. BUSY: another program does;
 * else ARGUMENT, PERMISSION, SYSTEM, ..., with error_set(); nothing is left behind.
 */
int transport_open(const char *place, struct transport **opened);

/* Closes it and removes the place; its connections were closed before. NULL is allowed. */
void transport_close(struct transport *transport);

struct transport_calls {
	/* Somebody has connected; the connection is the callee's. */
	void (*connected)(struct connection *connection, void *param);
	/* connection_read() has something to say. */
	void (*readable)(void *holder, void *param);
	void *param;
};

/* Waits for connections, what connections are watched for, or transport_wake(), at most so long;
 * then makes the calls for what has come. */
void transport_wait(struct transport *transport, int timeout_ms,
		    const struct transport_calls *calls);
void transport_wake(struct transport *transport);

/* To be called now and then: if the place was removed it is made again, which is logged. */
void transport_tend(struct transport *transport);

/* ---- connections ---- */

enum connection_interest {
	CONNECTION_INPUT = 1u << 0,
	CONNECTION_ROOM = 1u << 1, /* to write */
};

/* From now on transport_wait() returns when one of these is there; `holder` is what its calls get.
 * At first a connection is watched for nothing. */
void connection_watch(struct connection *connection, unsigned interests, void *holder);

/* Bytes read, 0: there are none for now, -1: the peer has closed it. */
int64_t connection_read(struct connection *connection, void *data, size_t size);

/*
 * Bytes that the system has taken, 0: it takes none for now, -1: the peer is gone. After 0 the
 * next call must offer the same bytes again, and may offer more after them.
 */
int64_t connection_write(struct connection *connection, const void *data, size_t size);

/* What the system has taken still reaches the peer, unless it is gone. */
void connection_close(struct connection *connection);

/* ---- who the peer is, as of when it connected ---- */

/* As owner_of() has it of its processes (owner.h); OWNER_NOBODY: that is not known. */
uint32_t connection_owner(const struct connection *connection);
/* 0: not known. */
uint32_t connection_process(const struct connection *connection);
/* Whether it may see all processes: as root (an administrator), or as a member of the group of that
 * name (NULL: none). */
bool connection_is_privileged(const struct connection *connection, const char *group);

#endif
