/* SPDX-License-Identifier: MIT */
/* What top asks the record. */
#ifndef PROCOBSRV_CONSCTL_HISTORY_CHILDREN_H
#define PROCOBSRV_CONSCTL_HISTORY_CHILDREN_H

#include "settings.h"

struct buffer;

/*
 * Appends a line for each of the last children of a process that ended before `before_ns`, the
 * newest first, no wider than `columns`. Nothing where there is no record, or none that may be
 * read: it is one more thing to know, not what was asked for.
 */
void history_append_children(const struct settings *settings, const char *identity,
			     int64_t before_ns, unsigned columns, struct buffer *buffer);

#endif
