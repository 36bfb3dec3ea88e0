/* SPDX-License-Identifier: MIT */
/*
 * The live processes as the events have told them, and for whom each of them may be seen. Who holds
 * the server's lock may use it.
 *
 * A reader without rights sees the processes whose real uid is his own: the effective one would
 * show him what another passed to a program with the setuid bit. What a process runs was passed by
 * who called exec: that may have been another, whom it has become since (a daemon that gave its
 * rights up); then its program and arguments are not shown, as the kernel makes such a process
 * undumpable.
 */
#ifndef PROCOBSRV_PROCOBSRVD_CENSUS_H
#define PROCOBSRV_PROCOBSRVD_CENSUS_H

#include "owner.h"
#include "pid_table.h"
#include "procobsrv.h"

#include <stdbool.h>

#define CENSUS_USERS_MAX 3

/* Who has been told of a process, each user once. */
struct census_users {
	uint32_t uids[CENSUS_USERS_MAX]; /* OWNER_NOBODY: none */
};

struct census {
	struct pid_table table;
	size_t count;
};

/* References; free with census_release(). */
struct census_list {
	struct census_item {
		const struct procobsrv_process *process;
		bool hide_image; /* what it runs is another user's */
	} * items;
	size_t count;
};

void census_free(struct census *census);

/*
 * Applies the event. Returns the uid that may see all of it (OWNER_NOBODY: none but those with
 * rights), and in *others those who have seen the process before and are to know that it is gone.
 */
uint32_t census_apply(struct census *census, const struct procobsrv_event *event,
		      struct census_users *others);

/* Enters a process that runs. */
void census_add(struct census *census, const struct procobsrv_process *process);

/* Forgets those that are gone, for where exits are not all told. */
void census_prune(struct census *census);

/* All that live, or (uid not OWNER_NOBODY) those of that user. False: out of memory. */
bool census_copy(const struct census *census, uint32_t uid, struct census_list *list);
void census_release(struct census_list *list);

#endif
