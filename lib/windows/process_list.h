/* SPDX-License-Identifier: MIT */
/* The running processes, as the system lists them in one call. */
#ifndef PROCOBSRV_LIB_WINDOWS_PROCESS_LIST_H
#define PROCOBSRV_LIB_WINDOWS_PROCESS_LIST_H

#include "arena.h"
#include "record.h"
#include "record_writer.h"
#include "running_process.h"
#include "source.h"

#include <stdbool.h>

/* What is listed of each. Idle, which is no process, is left out. */
struct listed_process {
	struct record_body body; /* name: cut, and only to stand for an image that is not told */
};

struct process_list {
	struct arena answer;
	struct arena processes; /* struct listed_process, in order of pid */
	size_t count;
};

/* Takes the list anew. 0, or a PROCOBSRV_ERROR_ with error_set() called. */
int process_list_take(struct process_list *list);
const struct listed_process *process_list_at(const struct process_list *list, size_t index);
void process_list_free(struct process_list *list);

/* A handle to a listed process; NULL: it is gone, or (*denied) we may not. */
HANDLE process_list_open(const struct listed_process *listed, bool *denied);

/*
 * Tells every process that runs as a RECORD_EXISTING with its strings, which are asked of each: one
 * that ends meanwhile may be without. 0, or a PROCOBSRV_ERROR_ with error_set() called.
 */
int process_list_snapshot(source_on_record on_record, void *param);

/* The record of one of them, image and all, into a writer. The image is room to be used again. */
void process_list_write(struct record_writer *writer, enum record_kind kind, uint64_t time_ns,
			const struct listed_process *listed, HANDLE process, bool denied,
			struct running_image *image);

#endif
