/* SPDX-License-Identifier: MIT */
/* Turns events of the proc connector into records. */
#ifndef PROCOBSRV_LIB_LINUX_CONNECTOR_EVENTS_H
#define PROCOBSRV_LIB_LINUX_CONNECTOR_EVENTS_H

#include "connector_receiver.h"
#include "connector_table.h"
#include "proc_process.h"
#include "record_writer.h"

#define CONNECTOR_CPUS 4096u

struct connector_cpu {
	bool known;
	uint32_t sequence; /* of its last message */
	uint64_t time_ns;
};

struct connector_events {
	struct connector_table table;
	struct record_writer writer;
	struct proc_image_options image_options;
	struct proc_image image; /* where the one at hand is put together */
	struct connector_cpu cpus[CONNECTOR_CPUS];
	uint64_t gaps;
	uint64_t time_ns; /* of the last event */
};

/* Feeds one event that is not an answer to a ping; those count, too, and come here as well. */
void connector_events_feed(struct connector_events *events, const struct connector_event *event);

/* Ends processes whose last thread's exit was never told. Costs a look at each process. */
void connector_events_sweep(struct connector_events *events, uint64_t now_ns);

/*
 * The entry of a process that is read through `directory`; what /proc tells is in *process. NULL:
 * another process had this pid when the entry was made, or there is none.
 */
struct connector_process *connector_events_match(struct connector_events *events,
						 const struct proc_process *process);

/* The identity of a pid now: from the table, else from /proc. */
struct record_identity connector_events_identity(struct connector_events *events, uint32_t pid);

#endif
