/* SPDX-License-Identifier: MIT */
#include "check_list.h"

#include <stdio.h>

struct check *check_add(struct check_list *list, const char *name, enum check_verdict verdict,
			const char *value)
{
	struct check *check =
	    &list->checks[list->count < CHECKS_MAX - 1 ? list->count++ : CHECKS_MAX - 1];

	check->name = name;
	check->verdict = verdict;
	snprintf(check->value, sizeof(check->value), "%s", value);
	check->note[0] = 0;
	return check;
}

void check_note(struct check *check, const char *text)
{
	snprintf(check->note, sizeof(check->note), "%s", text);
}
