/* SPDX-License-Identifier: MIT */
/*
 * The processes that the connector source knows, so that all events of one process bear one
 * identity and each process ends once, with its last thread. Guarded by the source's lock.
 */
#ifndef PROCOBSRV_LIB_LINUX_CONNECTOR_TABLE_H
#define PROCOBSRV_LIB_LINUX_CONNECTOR_TABLE_H

#include "pid_table.h"
#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connector_process {
	struct record_body body;
	bool fork_seen;	    /* start_ns is the time of its fork event, else from /proc (or 0) */
	bool threads_known; /* every live thread is counted in `live` */
	bool leader_gone;
	uint32_t leader_status;
	uint32_t live;	  /* threads, leader included */
	uint64_t image;	  /* names this run of a program: threads of an earlier one are gone */
	uint64_t exec_ns; /* time of its last exec event */
	uint64_t gone_ns; /* time of its leader's exit event */
	uint64_t layout;  /* of its memory, as proc_process.layout; 0: not known */
	bool seen;	  /* by the snapshot that is being taken */
	uint64_t gaps;	  /* how many gaps there had been when it was last compared to /proc */
};

struct connector_table {
	struct pid_table processes; /* struct connector_process */
	struct pid_table threads;   /* struct connector_thread; leaders are not in it */
	uint64_t images;
	size_t lingering; /* processes whose leader is gone and that have not ended */
};

struct connector_process *connector_table_find(const struct connector_table *table, uint32_t pid);
/* Puts a copy of `body` in the place of what was known of its pid. NULL: out of memory. */
struct connector_process *connector_table_put(struct connector_table *table,
					      const struct record_body *body);
void connector_table_remove(struct connector_table *table, uint32_t pid);

void connector_table_add_thread(struct connector_table *table, struct connector_process *process,
				uint32_t pid);
/* A thread that is no leader has ended; returns its process, if it was one of its live threads. */
struct connector_process *connector_table_end_thread(struct connector_table *table, uint32_t thread,
						     uint32_t pid);
/* An exec has ended all threads but the one that called it, which is the leader now. */
void connector_table_exec(struct connector_table *table, struct connector_process *process,
			  uint64_t time_ns);
/* Notes that the leader has ended while other threads live. */
void connector_table_leave(struct connector_table *table, struct connector_process *process,
			   uint32_t status, uint64_t time_ns);

void connector_table_free(struct connector_table *table);

#endif
