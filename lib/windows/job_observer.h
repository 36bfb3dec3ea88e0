/* SPDX-License-Identifier: MIT */
/* How a source learns of what happens in a job. */
#ifndef PROCOBSRV_LIB_WINDOWS_JOB_OBSERVER_H
#define PROCOBSRV_LIB_WINDOWS_JOB_OBSERVER_H

#include "job.h"
#include "running_process.h"

/* A process of the job. */
struct job_member {
	uint32_t pid;
	struct record_body body; /* once it has been told of */
	HANDLE process;		 /* NULL: it was gone before it could be opened */
	uint64_t met_ns;	 /* on the clock of deadlines */
	bool announced;		 /* by who started it: the system's message is to come */
	bool told;		 /* its start */
	bool gone;		 /* its end is about to be told */
};

/* Called on the job's thread, one at a time. */
struct job_observer {
	void (*on_start)(const struct job_member *member, const struct running_image *image,
			 void *param);
	void (*on_exit)(const struct job_member *member, const struct record_exit *exit,
			uint64_t time_ns, void *param);
	/* So many came and went without a word of the system. */
	void (*on_missed)(uint64_t count, void *param);
	void *param;
};

/*
 * The job that process `maker` has made, which must be this one, and is observed from now on. It
 * stays until job_leave(), even if its maker has closed it. NOT_FOUND, or BUSY: it is observed.
 */
int job_observe(uint32_t maker, const struct job_observer *observer, struct job **observed);
/* When it returns no call is under way, and none will come. */
void job_observe_no_more(struct job *job);
void job_leave(struct job *job);

/* Calls visit with the maker and each member that was told of; none comes or goes meanwhile. */
void job_visit(struct job *job, void (*visit)(const struct job_member *member, void *param),
	       void *param);

/* Waits until all that has happened so far has been told. */
void job_flush(struct job *job);

#endif
