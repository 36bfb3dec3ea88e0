/* SPDX-License-Identifier: MIT */
/* Makes a record of a process again: what a checkpoint keeps, and what readers of the service get.
 */
#ifndef PROCOBSRV_LIB_RECORD_BUILD_H
#define PROCOBSRV_LIB_RECORD_BUILD_H

#include "buffer.h"
#include "procobsrv.h"
#include "record.h"

#include <stdbool.h>

/* Appends a RECORD_EXISTING that decodes to this process, padded with zero to 8 bytes. What does
 * not fit into RECORD_SIZE_MAX is left out and marked as truncated. Out of memory: buffer->failed.
 */
void record_build_existing_of(const struct procobsrv_process *process, struct buffer *buffer);

/* Fills *body, which is all zero; of the parent only the pid is known here. */
void record_build_body(struct record_body *body, const struct procobsrv_process *process);

/* Whether anything is known of the program that it runs. */
bool record_build_has_image(const struct procobsrv_process *process);

/*
 * Fills *image, which is all zero, and appends its strings back to back, at most `most` bytes of
 * them: what does not fit is left out and marked as truncated. True: they are UTF-16.
 */
bool record_build_image(struct record_image *image, struct buffer *strings, size_t most,
			const struct procobsrv_process *process);

#endif
