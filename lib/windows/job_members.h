/* SPDX-License-Identifier: MIT */
/*
 * The processes of a job object, from the messages of its completion port and from its accounting.
 * Whoever calls serialises the calls; job_members_count() may come from anywhere.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_JOB_MEMBERS_H
#define PROCOBSRV_LIB_WINDOWS_JOB_MEMBERS_H

#include "arena.h"
#include "job_observer.h"

struct job_members {
	HANDLE object;
	struct record_body maker;
	struct job_observer observer; /* zeros: nobody */
	struct arena list;	      /* struct job_member *, owned */
	struct arena news;	      /* struct job_news: what is to be told, in order */
	struct running_image image;
	uint64_t started; /* processes that were met, or counted as missed */
};

/* What the system counts. */
struct job_accounting {
	uint32_t total;	 /* processes that ever were in the job */
	uint32_t active; /* that are */
};

/* False: GetLastError() tells. */
bool job_members_create(struct job_members *members, HANDLE port, ULONG_PTR key, bool kills);
/* Closes the job object, which lets the members go, or kills them. */
void job_members_close(struct job_members *members);
void job_members_free(struct job_members *members);

/* Puts a suspended process into the job. 0 or an error of Windows. */
DWORD job_members_put(struct job_members *members, HANDLE process, uint32_t pid);
/* The system says so. */
void job_members_new(struct job_members *members, uint32_t pid);
void job_members_gone(struct job_members *members, uint32_t pid);

bool job_members_count(const struct job_members *members, struct job_accounting *accounting);
/* All messages that had come by then have been taken: who was not told of is looked for. */
void job_members_settle(struct job_members *members, const struct job_accounting *accounting);

/*
 * Tells the observer what is to be told. A program that is still being set up, so that the system
 * does not tell its name yet, is waited for a little, and what comes after it with it: true, call
 * again soon.
 */
bool job_members_tell(struct job_members *members);
bool job_members_none(const struct job_members *members);
void job_members_visit(const struct job_members *members,
		       void (*visit)(const struct job_member *member, void *param), void *param);

#endif
