/* SPDX-License-Identifier: MIT */
/* Makes events of what was found, numbers and filters them, and hands them on. */
#ifndef PROCOBSRV_LIB_REPORT_H
#define PROCOBSRV_LIB_REPORT_H

#include "dispatch.h"

/* An observed event: takes over the reference to process. 0 or ENOMEM (then it is not numbered). */
int report_record(struct dispatch *dispatch, enum procobsrv_kind kind,
		  const struct record_view *view, const struct procobsrv_process *process,
		  bool in_tree);

/* An event without a record; borrows process. Without memory it is left out: it tells a state, and
 * whoever needs the state has the table. */
void report_concluded(struct dispatch *dispatch, enum procobsrv_kind kind,
		      const struct procobsrv_process *process, uint32_t flags);

/* Counts the losses; false: no memory for the event that tells them (they are counted). */
/* A record that says again what was told: counted as filtered. */
void report_repeat(struct dispatch *dispatch);
bool report_lost(struct dispatch *dispatch, const struct record_gap *gap);

#endif
