/* SPDX-License-Identifier: MIT */
/*
 * Match expressions over events: fields of the JSON, compared and combined.
 *
 *	kind == "exec" && process.uid != 0 && (process.exe ~ "*.tmp" || process.argv =~ "curl|wget")
 *	process.name in ("sh", "bash") && exit.code > 0
 */
#ifndef PROCOBSRV_LIB_FILTER_H
#define PROCOBSRV_LIB_FILTER_H

#include "procobsrv.h"

#include <stdbool.h>

struct filter;

/*
 * Compiles an expression. Error EXPRESSION with error_set(): what is wrong, at which column (from
 * 1), and a second line with the expression and a third with a caret under the column. MEMORY.
 */
int filter_compile(const char *expression, struct filter **filter);

/* Whether the event matches. Thread-safe for one filter per thread; allocates nothing. A comparison
 * with a field that the event does not have is false, also with != (so !(a == b) differs). */
bool filter_match(const struct filter *filter, const struct procobsrv_event *event);

/* The kinds for which the filter can be true at all: mask of PROCOBSRV_KIND_BIT. */
uint32_t filter_kinds(const struct filter *filter);

/* NULL is allowed. */
void filter_free(struct filter *filter);

/* Names of the fields that expressions know, ended by NULL, for help texts. */
const char *const *filter_fields(void);

#endif
