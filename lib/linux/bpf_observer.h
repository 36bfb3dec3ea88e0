/* SPDX-License-Identifier: MIT */
/*
 * The eBPF observer in the kernel: what must be there, loading, attaching. Everything that a reader
 * needs is in its maps, so that this struct can be filled from another process's observer as well.
 */
#ifndef PROCOBSRV_LIB_LINUX_BPF_OBSERVER_H
#define PROCOBSRV_LIB_LINUX_BPF_OBSERVER_H

#include "observer/linux/observer_state.h"
#include "source.h"

#define BPF_OBSERVER_LIMITS_SIZE 512

/* The programs by RECORD_LOST_INDEX, and after them that which notes control groups. */
#define BPF_OBSERVER_CGROUPS  RECORD_LOST_KINDS
#define BPF_OBSERVER_PROGRAMS (RECORD_LOST_KINDS + 1)

/* Descriptors; -1: not there. */
struct bpf_observer {
	int ring;
	int state_map;
	int snapshot_program;
	int programs[BPF_OBSERVER_PROGRAMS];
	int links[BPF_OBSERVER_PROGRAMS];
	struct observer_state *state; /* mapping of state_map */
	uint32_t record_kinds;	      /* of the programs; what is pinned has it in its state */
	uint32_t flags;		      /* likewise: enum observer_flag */
	char limits[BPF_OBSERVER_LIMITS_SIZE]; /* a sentence, or empty */
};

/* "observe_fork", ... */
extern const char *const bpf_observer_program_names[BPF_OBSERVER_PROGRAMS];

/* Nothing in it. */
void bpf_observer_clear(struct bpf_observer *observer);

/*
 * Whether this machine lets an observer be loaded at all, found out without libbpf, which would
 * print to stderr. *legacy: it needs the object for old kernels. 0, PERMISSION, UNSUPPORTED, SYSTEM
 * with error_set().
 */
int bpf_observer_probe(bool *legacy);

/* Loads and attaches an observer of our own. On failure nothing is left. */
int bpf_observer_load(const struct source_options *options, struct bpf_observer *observer);

/*
 * The same, but in the place of another one, whose ring and state it goes on with: both observe
 * until the other one's links are given up, and what both tell is told twice (lib/repeats.h). The
 * state tells of the other one until bpf_observer_publish().
 */
int bpf_observer_load_beside(const struct source_options *options,
			     const struct bpf_observer *before, struct bpf_observer *observer);

/* It has taken the other one's place. */
void bpf_observer_publish(const struct bpf_observer *observer);

/*
 * Makes the observer resident: pins all that a later reader needs in `directory`, which is made.
 * On failure nothing is left there.
 */
int bpf_observer_pin(const struct bpf_observer *observer, const char *directory);

/*
 * Opens the observer that is pinned in `directory`. NOT_FOUND: there is none. VERSION: its records
 * or its state have a layout that this version does not read. Its links stay where they are.
 */
int bpf_observer_open_pinned(const char *directory, struct bpf_observer *observer);

/* Removes what bpf_observer_pin() made: with the last pin and reader the observer is gone. */
int bpf_observer_unpin(const char *directory);

/* Detaches the programs; maps stay. */
void bpf_observer_detach(struct bpf_observer *observer);

/* Gives everything back. `forked`: in a child, which has no copy of the mapping. */
void bpf_observer_close(struct bpf_observer *observer, bool forked);

/* Fills what the observer itself counts: not what the ring and its reader know. Calls of its
 * programs that the kernel has skipped are counted since 5.12; before it says 0. */
void bpf_observer_counters(const struct bpf_observer *observer,
			   struct source_statistics *statistics);

#endif
