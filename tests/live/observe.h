/* SPDX-License-Identifier: MIT */
/* A monitor whose events are kept, the programs that it observes, and what is expected of both. */
#ifndef PROCOBSRV_TESTS_LIVE_OBSERVE_H
#define PROCOBSRV_TESTS_LIVE_OBSERVE_H

#include "laws.h"
#include "live.h"
#include "procobsrv.h"
#include "workloads/note.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Kinds beside those that are reported when none are named. */
#define OBSERVE_EXISTING PROCOBSRV_KIND_BIT(PROCOBSRV_EXISTING)
#define OBSERVE_FAILED	 PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED)

/* The code that a call of the library returns; if it failed, it explains why. */
#define EXPECT_ERROR(call, code)                                                                   \
	do {                                                                                       \
		int error_ = (int)(call);                                                          \
		EXPECT(error_ == (code), "%s: %s (%d) instead of %s", #call,                       \
		       procobsrv_strerror(error_), error_, procobsrv_strerror(code));              \
		if (code)                                                                          \
			EXPECT(procobsrv_explain()[0], "%s: no explanation", #call);               \
	} while (0)

struct observation {
	struct procobsrv *monitor;
	struct procobsrv_statistics statistics; /* after observe_stop() */
	uint64_t started_ns;		       /* boot clock, when procobsrv_start() had returned */
	pthread_mutex_t mutex;		       /* guards what follows while it runs */
	const struct procobsrv_event **events; /* references; none if not kept */
	size_t count;
	size_t capacity;
	struct laws *laws;
	/* Set before observe_start(). */
	bool forget;	   /* do not keep the events */
	bool may_lose;	   /* lost events are no failure */
	unsigned sleep_us; /* the handler takes as long for each event */
	void (*also)(const struct procobsrv_event *event, void *param);
	void *param;
};

/* Starts a monitor. `options` may be NULL; its handler is replaced by the observation's own. */
void observe_start(struct observation *observation, const struct procobsrv_options *options);
/* The defaults and these kinds besides. */
void observe_start_kinds(struct observation *observation, uint32_t more_kinds);
/* Delivers what has been observed, closes, and holds all of it against the laws. */
void observe_stop(struct observation *observation);
void observe_free(struct observation *observation);

/* A program that runs, and the note that it shares with us. */
struct workload {
	struct note *note;
	uint64_t before_ns; /* boot clock: before its fork */
	uint64_t forked_ns; /* after */
	uint64_t ended_ns;  /* when wait4() had returned */
	struct rusage usage;
	pid_t pid;
	int status; /* as wait4() told it */
};

/* Runs `path` (NULL: live_worker) with exactly this argv. */
void workload_start(struct workload *workload, const char *path, const char *const *argv);
void workload_wait_stage(const struct workload *workload, uint32_t stage);
void workload_permit(const struct workload *workload, uint32_t stage);
void workload_wait(struct workload *workload);
/* Ends the test if it did not exit with `code`. */
void workload_expect_code(const struct workload *workload, int code);
void workload_free(struct workload *workload);

/* The events of a workload and of all that descends from it, in order. Borrows them. */
struct tree {
	const struct procobsrv_event **events;
	size_t count;
};

void tree_of(const struct observation *observation, pid_t root, struct tree *tree);
void tree_free(struct tree *tree);
/* How many there are of a kind and a pid (0: any). */
size_t tree_count(const struct tree *tree, enum procobsrv_kind kind, uint32_t pid);
/* The one at `index`; ends the test if there is none. */
const struct procobsrv_event *tree_at(const struct tree *tree, enum procobsrv_kind kind,
				      uint32_t pid, size_t index);
/* The only one; ends the test if there are not exactly one. */
const struct procobsrv_event *tree_one(const struct tree *tree, enum procobsrv_kind kind,
				       uint32_t pid);

/* live_worker with these words, observed from before its fork until after its end. */
struct run {
	struct observation observation;
	struct workload workload;
	struct tree tree;
};

#define RUN(run, ...) run_workload(run, 0, (const char *const[]){"live_worker", __VA_ARGS__, NULL})
void run_workload(struct run *run, uint32_t more_kinds, const char *const *argv);
void run_free(struct run *run);

/* The program that the process of an event runs: path, argv. */
void expect_program(const struct procobsrv_event *event, const char *exe, const char *const *argv);
/* Exit code or signal as wait4() told them. */
void expect_status(const struct procobsrv_event *event, int status);
/* All that the program knows of itself; the event is its exec or its exit. */
void expect_facts(const struct procobsrv_event *event, const struct note_facts *facts);
/* One start, `execs` execs, one exit, in this order and of one identity; returns the exit. */
const struct procobsrv_event *expect_life(const struct tree *tree, uint32_t pid, size_t execs,
					  int status);
bool has_flag(const struct procobsrv_event *event, enum procobsrv_process_flag flag);

#endif
