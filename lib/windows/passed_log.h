/* SPDX-License-Identifier: MIT */
/*
 * What the resident reader has read and not acknowledged, two bytes a record: the driver takes an
 * acknowledgement as a token, which counts the records before its position by kind.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_PASSED_LOG_H
#define PROCOBSRV_LIB_WINDOWS_PASSED_LOG_H

#include "arena.h"

#include "../../observer/windows/ioctl.h"

#include <stdbool.h>

struct passed_log {
	struct arena runs;  /* struct passed_run: records that follow each other without a hole */
	struct arena steps; /* uint16_t: size / 8 and kind of each record */
	uint64_t forgotten; /* steps before the first that is kept */
};

/* Notes that the stream goes on at this token, without a hole or behind one. False: no memory. */
bool passed_log_begin(struct passed_log *log, const struct ioctl_token *token);
/* Notes the record behind what was noted last. False: no memory, then it is not. */
bool passed_log_add(struct passed_log *log, const struct record_header *header);
/*
 * The token of a position that was noted, the end of the last record of a run included; forgets
 * what lies before it. False: none such.
 */
bool passed_log_take(struct passed_log *log, uint64_t position, struct ioctl_token *token);
void passed_log_free(struct passed_log *log);

#endif
