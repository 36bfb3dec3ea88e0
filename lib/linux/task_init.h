/* SPDX-License-Identifier: MIT */
/*
 * The first process, where the kernel does not list it: a sandbox may hide its init from iterators.
 * Who it is, its children tell, whose parent it is, with its true start; what it is, /proc tells,
 * if it is of that start there.
 */
#ifndef PROCOBSRV_LIB_LINUX_TASK_INIT_H
#define PROCOBSRV_LIB_LINUX_TASK_INIT_H

#include "record.h"
#include "task_snapshot.h"

/* What the records of a snapshot have told of it; zero to begin with. */
struct task_init {
	bool told;
	struct record_identity identity; /* as a child names it; all zero: none has */
};

/* Looks at a record of the snapshot. */
void task_init_look(struct task_init *init, const struct record_body *body);

/* After the last record: tells of it as RECORD_EXISTING, if nobody has and it can be known. */
void task_init_tell(const struct task_init *init, const struct task_snapshot_options *options,
		    source_on_record on_record, void *param);

#endif
