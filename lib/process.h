/* SPDX-License-Identifier: MIT */
/* The objects behind const struct procobsrv_process: immutable, counted snapshots. */
#ifndef PROCOBSRV_LIB_PROCESS_H
#define PROCOBSRV_LIB_PROCESS_H

#include "cgroup_table.h"
#include "image.h"
#include "procobsrv.h"

#include <stdbool.h>

/* What turns records into what users see; one per monitor. */
struct process_context {
	char boot[9];		/* first eight digits of the boot id: part of every id */
	int64_t wall_offset_ns; /* wall clock = boot clock + this */
};

/*
 * The process as the record body and its image tell it. `image` may be NULL (not known): unless it
 * is a kernel thread, exe, argv and cwd are then named missing because of a gap. `forked`: the
 * image is the parent's. `group` is that of body->cgroup, NULL where it is not known. Takes its own
 * references to image and group. The caller owns one reference. NULL: out of memory.
 */
const struct procobsrv_process *process_create(const struct process_context *context,
					       const struct record_body *body, struct image *image,
					       bool forked, struct cgroup *group);

/* One of whom no more than the identity is known; its name is empty. */
const struct procobsrv_process *process_create_stub(const struct process_context *context,
						    const struct record_identity *identity);

/* Borrowed; NULL: not known. */
struct image *process_image(const struct procobsrv_process *process);

#endif
