/* SPDX-License-Identifier: MIT */
/*
 * Listens to the kernel's process events connector. A thread does nothing but empty the socket
 * into memory; the listener takes from there.
 */
#ifndef PROCOBSRV_LIB_LINUX_CONNECTOR_RECEIVER_H
#define PROCOBSRV_LIB_LINUX_CONNECTOR_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/cn_proc.h>

struct connector_event {
	uint32_t sequence;     /* of the cpu that sent it */
	uint32_t acknowledged; /* of an answer to a ping: the ping's id + 1 */
	uint64_t time_ns;      /* boot clock */
	struct proc_event event;
};

#define CONNECTOR_BLOCK_EVENTS 256

struct connector_block {
	struct connector_block *next;
	size_t count;
	bool overrun; /* the socket was full before these came */
	struct connector_event events[CONNECTOR_BLOCK_EVENTS];
};

struct connector_receiver;

/*
 * Begins to listen, with room for buffer_size bytes in the kernel (0: 64 MiB); returns once the
 * kernel has answered. Errors: PERMISSION, UNSUPPORTED, MEMORY, SYSTEM.
 */
int connector_receiver_open(uint64_t buffer_size, struct connector_receiver **opened);

/*
 * Takes the oldest block, waiting at most timeout_ms (-1: for ever) for one. NULL: none came, or
 * connector_receiver_wake() was called. Give it back with connector_receiver_give().
 */
struct connector_block *connector_receiver_take(struct connector_receiver *receiver,
						int timeout_ms);
void connector_receiver_give(struct connector_receiver *receiver, struct connector_block *block);
void connector_receiver_wake(struct connector_receiver *receiver);

/* Asks the kernel for an answer that comes behind every event that has been sent so far. */
bool connector_receiver_ping(struct connector_receiver *receiver, uint32_t id);

/* Stops listening; what has come can still be taken. */
void connector_receiver_stop(struct connector_receiver *receiver);
/* Is there a block to take now? */
bool connector_receiver_has_more(struct connector_receiver *receiver);
/* Has it been stopped? Then what is not there to be taken never comes. */
bool connector_receiver_stopped(struct connector_receiver *receiver);

/* Bytes of room in the kernel, as granted. */
uint64_t connector_receiver_room(const struct connector_receiver *receiver);
/* Times that the receiving thread woke. */
uint64_t connector_receiver_wakeups(const struct connector_receiver *receiver);

/* `forked`: in a forked child, where only the child's copies are given back. */
void connector_receiver_close(struct connector_receiver *receiver, bool forked);

#endif
