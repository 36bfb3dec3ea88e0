/* SPDX-License-Identifier: MIT */
/* What platform_check() fills. */
#ifndef PROCOBSRV_CONSCTL_CHECK_LIST_H
#define PROCOBSRV_CONSCTL_CHECK_LIST_H

#include "platform.h"

struct check_list {
	struct check *checks; /* CHECKS_MAX of them */
	size_t count;
};

/* Adds one without a note; in a full list it takes the last one's place. `value` is copied. */
struct check *check_add(struct check_list *list, const char *name, enum check_verdict verdict,
			const char *value);

/* What it means, what to do; copied. */
void check_note(struct check *check, const char *text);

#endif
