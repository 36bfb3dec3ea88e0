/* SPDX-License-Identifier: MIT */
/* What the files of the server share. */
#ifndef PROCOBSRV_PROCOBSRVD_SERVER_PRIVATE_H
#define PROCOBSRV_PROCOBSRVD_SERVER_PRIVATE_H

#include "backlog.h"
#include "cgroup_table.h"
#include "record_writer.h"
#include "server.h"
#include "service_protocol.h"
#include "transport.h"

#include <pthread.h>
#include <stdatomic.h>

struct reader; /* reader.h */

struct server {
	/* Constant. */
	char *place; /* where readers connect */
	uint64_t memory_size;
	uint64_t epoch; /* names this run */
	void (*request_seed)(void *param);
	struct procobsrv *(*borrow_monitor)(void *param);
	void (*return_monitor)(void *param);
	void *param;

	bool runs; /* the thread; who opens and closes */

	/* The server's thread alone. */
	pthread_t thread;
	uint64_t last_read_ns; /* when the last reader had gone */
	bool seed_requested;
	bool unsettled; /* a reader waits for what the kernel has observed */
	bool busy;	/* events were sent in this round */
	bool has_more;	/* a reader has room for more than was sent to it */

	struct transport *transport; /* the server's thread; any may wake it */
	_Atomic bool ending;
	_Atomic bool idle; /* the thread waits for events of the stream */

	pthread_mutex_t lock;  /* guards what follows, and what reader.h says */
	pthread_cond_t paused; /* told of the end */
	struct census census;
	struct backlog backlog;
	struct cgroup_table groups; /* those of the events in the backlog */
	uint64_t last_group;	    /* that was put there */
	bool seeded;
	bool encoding;	  /* somebody reads, or may come back */
	uint64_t covered; /* position from which on all is in the backlog or was evicted */
	uint64_t stream;
	uint64_t position; /* before which all has been told */
	uint64_t seq;
	uint64_t delivered; /* events that were observed, not lost, since the start */
	struct reader *readers;
	uint32_t reader_count;
	struct server_figures figures;
	char *group;
	bool own_processes;
	uint32_t count_most;
	uint32_t kinds; /* mask of PROCOBSRV_KIND_BIT */
	bool partial;

	/* The thread of the events alone. */
	struct record_writer writer;
	struct buffer scratch;
};

#endif
