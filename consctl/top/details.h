/* SPDX-License-Identifier: MIT */
/* What top tells of one process. */
#ifndef PROCOBSRV_CONSCTL_TOP_DETAILS_H
#define PROCOBSRV_CONSCTL_TOP_DETAILS_H

#include "buffer.h"
#include "model.h"

/* Appends all that is known of a process, its ancestors and its children, living and ended; lines
 * are fit for a terminal and no wider than `columns`. */
void details_append(struct model *model, struct procobsrv *monitor,
		    const struct procobsrv_process *process, unsigned columns,
		    struct buffer *buffer);

#endif
