/* SPDX-License-Identifier: MIT */
/*
 * What a backend supplies. A source observes processes by some means of its system and lends
 * batches of records (observer/record.h) in the order in which things happened.
 *
 * Threads: open, drain and close are called on the monitor's listener thread (a tracer must be one
 * thread). release, wake, statistics and snapshot may be called from any other thread while the
 * listener is inside drain.
 *
 * Positions: every record has one; they grow. What they count is the source's own business (bytes
 * of a ring, a sequence number). (stream, position) names a record across readers.
 */
#ifndef PROCOBSRV_LIB_SOURCE_H
#define PROCOBSRV_LIB_SOURCE_H

#include "../observer/record.h"
#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct source_record {
	const void *data; /* struct record_header..., aligned to 8 */
	uint32_t size;
	uint64_t position; /* of its first byte */
};

/* Lent until the callback returns. Losses are in-band: in the headers, or as RECORD_GAP records. */
struct source_batch {
	uint64_t stream;
	const struct source_record *records;
	size_t count;
	uint64_t resume; /* the position after the last record: what release() takes */
};

typedef void (*source_on_batch)(const struct source_batch *batch, void *param);
typedef void (*source_on_record)(const void *data, uint32_t size, void *param);

/* `path` has `length` bytes, lent until the callback returns. */
typedef void (*source_on_cgroup)(uint64_t id, const char *path, size_t length, void *param);

struct source_options {
	uint32_t record_kinds; /* mask of 1u << enum record_kind that the kernel shall write */
	bool kernel_threads;
	bool resident;	      /* read the resident observer, do not load one */
	bool capture_env;     /* take the environment at exec */
	uint64_t buffer_size; /* bytes; 0: choose by the machine's memory */
	uint64_t max_args;    /* bytes of argv (and of env) to take; UINT64_MAX: all */
	uint32_t root_pid;    /* the tree that is wanted; 0: the machine */
};

/* Numbers and losses of one sequence (a cpu) as the kernel counts them now. */
struct source_sequence {
	uint64_t number;		  /* the last one given */
	uint32_t lost[RECORD_LOST_KINDS]; /* as in record_header */
};

#define SOURCE_SEQUENCES_MAX 1024

struct source_statistics {
	uint64_t stream;       /* as in the batches */
	uint64_t produced;     /* position after the last record that the kernel has written */
	uint64_t released;     /* position before which the room has been given back */
	uint64_t acknowledged; /* resident: position before which all is safe with a user */
	uint64_t read;	       /* resident: observations before it, losses not counted */
	uint64_t repeats;      /* resident: of them, those that two observers told */
	uint64_t ring_size;    /* bytes; 0: the source has no ring */
	uint64_t ring_peak;    /* bytes, the most that were in use when the reader looked */
	uint64_t wakeups;
	uint64_t skipped[RECORD_LOST_KINDS]; /* calls of the kernel's programs that were skipped */
	size_t sequence_count;		     /* how many of `sequences` are filled */
	struct source_sequence sequences[SOURCE_SEQUENCES_MAX];
};

struct source; /* each backend's own */

struct source_operations {
	const char *name; /* "bpf" */

	/* It follows the tree of root_pid, tells of nothing else, and needs one. */
	bool tree_only;

	/*
	 * Begins to observe. On success nothing is missed from its return on (or limits() says
	 * what). On failure: a PROCOBSRV_ERROR_ code with error_set() called, and nothing left
	 * behind.
	 */
	int (*open)(const struct source_options *options, struct source **source);

	/*
	 * Waits at most timeout_ms (-1: until woken) for records, lends those that are there, in as
	 * many batches as it likes, and returns 0; also when nothing came or wake() was called. A
	 * batch may be empty: its `resume` then tells how far there was nothing to lend.
	 * PROCOBSRV_ERROR_ENDED: nothing will ever come again (the traced tree has ended).
	 */
	int (*drain)(struct source *source, int timeout_ms, source_on_batch on_batch, void *param);

	/* Records before `position` are delivered or spilled: their room may be used again. */
	void (*release)(struct source *source, uint64_t position);

	/* A resident observer is told that records before `position` are safe with a user, so that
	 * a later reader goes on there; NULL: this source has no resident observers. */
	void (*acknowledge)(struct source *source, uint64_t position, uint64_t read,
			    uint64_t repeats);

	/* Makes a drain() that waits, or the next one, return soon. */
	void (*wake)(struct source *source);

	/* Stops observing, keeps what was observed to be drained. The listener calls it once. */
	void (*detach)(struct source *source);

	int (*statistics)(struct source *source, struct source_statistics *statistics);

	/*
	 * Tells every process that runs, one RECORD_EXISTING each, in any order. *position: once
	 * the listener has drained to it, every event that the snapshot may reflect has been lent.
	 * Not called on the listener thread. Records are lent until the callback returns.
	 */
	int (*snapshot)(struct source *source, source_on_record on_record, void *param,
			uint64_t *position);

	/*
	 * Appends the argument vector of a process that still lives, for a record that could not
	 * take it (RECORD_MISSING_UNREADABLE). False: it is gone, or cannot be read. NULL: no way
	 * to ask.
	 */
	bool (*read_argv)(const struct record_identity *identity, struct buffer *buffer);

	/*
	 * Appends the path of a control group, by the id of record_body.cgroup, as the host sees
	 * it. False: it is gone, or this process cannot tell. Called for each id once, by the
	 * taker. NULL: no way to ask.
	 */
	bool (*read_cgroup)(uint64_t id, struct buffer *path);

	/*
	 * Tells the control groups that there are now, so that they are known also when they are
	 * removed before anybody asks. Called by the taker before the first event. NULL: none.
	 */
	void (*list_cgroups)(source_on_cgroup on_cgroup, void *param);

	/* What is missed or costs, one sentence, or NULL. Valid until close. */
	const char *(*limits)(struct source *source);

	/*
	 * Ends everything and frees the source. A resident observer goes on in the kernel.
	 * `forked`: called in a forked child of the process that opened it: only gives back the
	 * child's copies (descriptors, memory) and leaves the parent's observing alone; its threads
	 * do not exist.
	 */
	void (*close)(struct source *source, bool forked);
};

/* The backends of this system in the order of preference, ended by NULL. One definition per OS. */
extern const struct source_operations *const source_backends[];

#endif
