/* SPDX-License-Identifier: MIT */
/* The processes that run, as the kernel's task iterator tells them. */
#ifndef PROCOBSRV_LIB_LINUX_TASK_SNAPSHOT_H
#define PROCOBSRV_LIB_LINUX_TASK_SNAPSHOT_H

#include "source.h"

struct task_snapshot_options {
	int program;	   /* the observer's iterator; one snapshot at a time may use it */
	uint64_t max_args; /* bytes of argv, and of env, to take */
	bool capture_env;
};

/*
 * Calls on_record with one RECORD_EXISTING for each process that the opener's pid namespace has;
 * argv is added from /proc. Records are lent for the call. Errors: SYSTEM, MEMORY, PERMISSION.
 */
int task_snapshot_take(const struct task_snapshot_options *options, source_on_record on_record,
		       void *param);

#endif
