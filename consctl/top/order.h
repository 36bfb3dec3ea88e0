/* SPDX-License-Identifier: MIT */
/* Which rows top shows, in which order. */
#ifndef PROCOBSRV_CONSCTL_TOP_ORDER_H
#define PROCOBSRV_CONSCTL_TOP_ORDER_H

#include "filter.h"
#include "model.h"

enum order_key {
	ORDER_START, /* the newest first */
	ORDER_PID,
	ORDER_NAME,
	ORDER_USER,
	ORDER_KEY_COUNT,
};

struct order {
	enum order_key key;
	bool reverse;
	bool tree; /* below their parents; the key orders brothers */
	bool kernel_threads;
	struct filter *filter; /* NULL: all */
};

/* "newest", "pid", ...: static text. */
const char *order_name(enum order_key key);

/*
 * Sorts the rows of a model, drops those that are not wanted (in a tree the ancestors of who is
 * wanted stay), and sets their depth. False: out of memory, and the rows are as they were.
 */
bool order_rows(const struct order *order, struct model *model);

#endif
