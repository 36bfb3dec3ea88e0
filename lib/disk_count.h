/* SPDX-License-Identifier: MIT */
/* What waits on disk for a later reader of the resident observer. */
#ifndef PROCOBSRV_LIB_DISK_COUNT_H
#define PROCOBSRV_LIB_DISK_COUNT_H

#include "source.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a record is of an event, not a part of one. */
bool disk_count_is_event(const void *record, size_t size);

/*
 * How many events of each kind (RECORD_LOST_INDEX) lie on disk that are neither safe with a user
 * nor behind the position `ring`, from where on the kernel has them. 0, or a PROCOBSRV_ERROR_ with
 * error_set() called.
 */
int disk_count(const struct source_statistics *statistics, uint64_t ring,
	       uint64_t events[RECORD_LOST_KINDS]);

#endif
