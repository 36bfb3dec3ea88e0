/* SPDX-License-Identifier: MIT */
/* What the parts of the tracer share: see tracer.h. */
#ifndef PROCOBSRV_LIB_LINUX_TRACER_STATE_H
#define PROCOBSRV_LIB_LINUX_TRACER_STATE_H

#include "pid_table.h"
#include "pool.h"
#include "record_writer.h"
#include "tracer.h"

#include <stdbool.h>
#include <stddef.h>

/* A process that is followed. */
struct traced {
	struct record_body body;
	uint32_t threads; /* that are followed and have not been reaped */
	uint32_t exiting; /* of these: have begun to exit */
	uint64_t cpu_ns;  /* of the threads that have exited */
	uint64_t user_ns;
	uint64_t system_ns;
	uint64_t max_rss_bytes;
	bool has_usage; /* the last thread was met on its way out */
};

/* A thread that is followed. */
struct tracee {
	uint32_t tid;
	struct traced *process; /* NULL: it has stopped before its creator told of it */
	struct tracee *next_held;
	int held_status;  /* with which it stopped */
	uint64_t held_ns; /* since when */
	bool exiting;
};

struct tracer {
	struct tracer_options options;
	struct record_writer writer;
	size_t sent; /* of writer.bytes */
	struct proc_image image;
	struct pool tracees;
	struct pool processes;
	struct pid_table table; /* struct tracee, by thread id */
	size_t count;		/* of tracees */
	struct tracee *held;	/* those without a process */
	uint32_t pid;		/* our own */
	uint32_t unfollowed;
	int attach_error; /* of the last PTRACE_SEIZE that failed */
};

/* ---- tracer_events.c ---- */

/* Deals with what waitpid() told of a thread: writes records, lets it go on. */
void tracer_event(struct tracer *tracer, uint32_t tid, int status);
/* Lets those go on whose creator should have told of them long ago: it was killed before. */
void tracer_release_held(struct tracer *tracer);

/* ---- tracer_attach.c ---- */

/* Begins to follow the root and its descendants, writes RECORD_EXISTING. 0 or an errno. */
int tracer_attach(struct tracer *tracer);

/* ---- tracer_table.c ---- */

struct tracee *tracer_find(const struct tracer *tracer, uint32_t tid);
/* NULL: out of memory. */
struct tracee *tracer_add(struct tracer *tracer, uint32_t tid, struct traced *process);
void tracer_remove(struct tracer *tracer, struct tracee *tracee);
/* The process with this pid, if it is followed. */
struct traced *tracer_process(const struct tracer *tracer, uint32_t pid);
/* The identity of a pid now: one of ours, or as /proc has it. */
struct record_identity tracer_identity(const struct tracer *tracer, uint32_t pid);

/* Boot clock. */
uint64_t tracer_now(void);

#endif
