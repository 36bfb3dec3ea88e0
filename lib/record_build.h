/* SPDX-License-Identifier: MIT */
/* Makes a record of a process again: what a checkpoint keeps. */
#ifndef PROCOBSRV_LIB_RECORD_BUILD_H
#define PROCOBSRV_LIB_RECORD_BUILD_H

#include "buffer.h"
#include "procobsrv.h"

/* Appends a RECORD_EXISTING that decodes to this process, padded with zero to 8 bytes. What does
 * not fit into RECORD_SIZE_MAX is left out and marked as truncated. Out of memory: buffer->failed.
 */
void record_build_existing_of(const struct procobsrv_process *process, struct buffer *buffer);

#endif
