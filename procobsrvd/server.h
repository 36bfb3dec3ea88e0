/* SPDX-License-Identifier: MIT */
/*
 * Serves events to readers on a Unix socket (lib/service_protocol.h). What it keeps for them is
 * bounded: one backlog of records for all, in which each reader has a place. One that is too slow
 * is overtaken, and gets a gap with exact counts in that place; nobody waits for it.
 *
 *	server.c	what is shared: backlog, census, the thread of the socket
 *	reader.c	one reader: who it is, what it asks
 *	reader_send.c	what it gets: records, gaps, snapshots
 *
 * Threads: server_event() and server_seed() are called on one thread, that of the events. The
 * server has one of its own, which alone touches the readers' sockets. The lock guards all else.
 */
#ifndef PROCOBSRV_PROCOBSRVD_SERVER_H
#define PROCOBSRV_PROCOBSRVD_SERVER_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

struct server_options {
	const char *socket;   /* absolute path */
	const char *group;    /* besides root, who is in it sees everything; NULL: nobody */
	bool own_processes;   /* everybody else may see his own processes; false: is refused */
	uint64_t memory_size; /* bytes that may wait for all readers together */
	uint32_t count;	      /* readers at a time, at most */
	uint32_t kinds;	      /* mask of PROCOBSRV_KIND_BIT: what the monitor tells */
	bool partial;	      /* it does not tell all events, so that exits may be missing */
	/*
	 * Asks for server_seed() on the thread of the events, soon; called once, on the server's
	 * thread, when somebody wants to read. NULL: the events tell all processes (existing).
	 */
	void (*request_seed)(void *param);
	/* The monitor whose events come, to be given back at once; NULL, and nothing to give back:
	 * there is none now. Any thread. */
	struct procobsrv *(*borrow_monitor)(void *param);
	void (*return_monitor)(void *param);
	void *param;
};

struct server_figures {
	uint64_t readers;     /* connected now */
	uint64_t accepted;    /* since the start */
	uint64_t refused;     /* without rights, malformed, or too many */
	uint64_t sent;	      /* events, to all readers together */
	uint64_t lost;	      /* events that readers were too slow for */
	uint64_t memory_used; /* bytes that are kept for readers */
	uint64_t memory_size;
};

/* Listens; everything is copied. An error with error_set(), and nothing is left behind. */
int server_open(const struct server_options *options, struct server **opened);

/* Begins to serve those who connect, and may call request_seed(): when server_event() is told of
 * what comes. An error with error_set(). */
int server_start(struct server *server);

/* The same socket, other bounds and rights: for readers that come from now on. False: the socket or
 * the memory are others, so it must be closed and opened again. */
bool server_change(struct server *server, const struct server_options *options);

/* The next event. */
void server_event(struct server *server, const struct procobsrv_event *event);

/* Between two events: takes over the processes that the monitor knows. `position`: the observer's
 * records before it are in none of the events to come. */
void server_seed(struct server *server, struct procobsrv *monitor, uint64_t position);

/* Any thread. */
void server_figures(struct server *server, struct server_figures *figures);

/* Ends it; readers see the end of their connection. NULL is allowed. */
void server_close(struct server *server);

#endif
