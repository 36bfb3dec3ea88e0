/* SPDX-License-Identifier: MIT */
/*
 * From records to events: decodes, finds gaps, keeps the process table, numbers, filters and hands
 * on. One thread at a time; the table alone may be looked into by others, under its lock.
 */
#ifndef PROCOBSRV_LIB_DISPATCH_H
#define PROCOBSRV_LIB_DISPATCH_H

#include "assembly.h"
#include "cgroup_table.h"
#include "event.h"
#include "filter.h"
#include "gaps.h"
#include "process.h"
#include "process_table.h"
#include "repeats.h"
#include "source.h"

#include <pthread.h>

/* Takes over the event's reference. */
typedef void (*dispatch_deliver)(struct event *event, void *param);

struct dispatch_identity {
	uint32_t pid;
	uint64_t start_ns;
};

/* Written by the dispatching thread, read by any. */
struct dispatch_counters {
	_Atomic uint64_t seq; /* observed and dealt with: delivered + filtered + lost */
	_Atomic uint64_t delivered;
	_Atomic uint64_t filtered;
	_Atomic uint64_t lost;
	_Atomic uint64_t synthetic;
	_Atomic uint64_t gaps;
	_Atomic uint64_t resyncs;
	_Atomic uint64_t repeats;
	_Atomic uint64_t processes;
};

struct dispatch {
	/* Settings, constant while it runs. */
	struct filter *filter; /* NULL: everything matches. Borrowed */
	uint32_t kinds;
	bool kernel_threads;
	const char *const *env_names;
	const struct redaction *redaction; /* NULL: nothing is taken out. Borrowed */
	uint32_t root_pid;
	bool tree_only;	   /* struct source_operations.tree_only: who starts is of the tree */
	bool drop_repeats; /* two observers may fill one ring: repeats.h */
	bool count_lost;   /* cursors of gaps say what had been lost in all: who resumes repeats */
	dispatch_deliver deliver;
	/* struct source_operations.read_argv */
	bool (*read_argv)(const struct record_identity *identity, struct buffer *buffer);
	void *param;

	/* State. */
	struct process_context context;
	pthread_mutex_t table_lock;
	struct process_table table;
	struct cgroup_table cgroups; /* its read_path: struct source_operations.read_cgroup */
	struct gaps gaps;
	struct assembly assembly;
	struct repeats repeats;
	struct dispatch_counters counters;
	uint64_t tree_live; /* processes of the tree that are in the table */
	bool root_execed;   /* then the root itself is reported too, not only its descendants */
	bool tree_ended;    /* there was a tree, and it has none left */
	bool gap_seen;	    /* since the last resync */
	struct record_gap unsaid; /* losses of our own for which there was no memory to tell */
	uint64_t stream;
	uint64_t position;	/* of the record that is being dealt with */
	uint64_t resume;	/* after it */
	uint64_t concluded_ns;	/* when what is concluded was so, boot clock; 0: now */
	uint64_t unrecorded_ns; /* in the cursor of the last event that has no record */
	bool after_last;	/* a gap is told that no record has followed yet */
	bool counted;		/* the record that is being dealt with is in gaps.read */

	/* While a resync waits: who has exited since its snapshot began. */
	bool note_exits;
	struct dispatch_identity *exited;
	size_t exited_count;
	size_t exited_capacity;
};

int dispatch_init(struct dispatch *dispatch); /* settings are set afterwards */
void dispatch_free(struct dispatch *dispatch);

/* dispatch_table.c: for the dispatching thread. */

/* NULL: not in the table. */
struct process_entry *dispatch_find(const struct dispatch *dispatch,
				    const struct record_identity *identity);
bool dispatch_in_tree(const struct dispatch *dispatch, const struct record_identity *identity);
/* Takes over the reference. False: out of memory. */
bool dispatch_put(struct dispatch *dispatch, const struct procobsrv_process *process, bool in_tree);
void dispatch_remove(struct dispatch *dispatch, struct process_entry *entry);

/* dispatch.c */

/* Deals with the next record of the stream. */
void dispatch_record(struct dispatch *dispatch, uint64_t stream,
		     const struct source_record *record);

/* Learns from a record that is no event. */
void dispatch_note(struct dispatch *dispatch, const struct record_view *view);

/* Tells a gap in this place. */
void dispatch_gap(struct dispatch *dispatch, const struct record_gap *gap);

/* Tells the losses for which there was no memory before. */
void dispatch_tell_unsaid(struct dispatch *dispatch);

/* Samples the offset of the wall clock again, so that a step shows. */
void dispatch_sample_clock(struct dispatch *dispatch);

/* Puts a process of a snapshot into the table. Borrowed result; NULL: out of memory. */
const struct procobsrv_process *dispatch_put_existing(struct dispatch *dispatch,
						      const struct record_view *view);

/* Marks the root of the tree that is observed alone. */
void dispatch_mark_root(struct dispatch *dispatch);

/* Reports events that have no record: existing ones, and what a resync concluded. */
void dispatch_existing(struct dispatch *dispatch, const struct procobsrv_process *process);
void dispatch_synthetic(struct dispatch *dispatch, enum procobsrv_kind kind,
			const struct procobsrv_process *process);
/* The process of this entry is gone without a word: a synthetic exit, and it leaves the table. */
void dispatch_gone(struct dispatch *dispatch, struct process_entry *entry);

/* The live process with this identity, else a stub; with a reference. NULL: none, or no memory. */
const struct procobsrv_process *dispatch_process(struct dispatch *dispatch,
						 const struct record_identity *identity);
/*
 * The same for the parent of one who started at child_start_ns. On Windows a child goes on naming
 * its parent's pid when that has ended and somebody younger has got it: that one is not meant.
 */
const struct procobsrv_process *dispatch_parent(struct dispatch *dispatch,
						const struct record_identity *identity,
						uint64_t child_start_ns);

#endif
