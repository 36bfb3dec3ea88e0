/* SPDX-License-Identifier: MIT */
/* An allocator that fails when it is told to, and knows what has not been given back. */
#ifndef PROCOBSRV_TESTS_LIVE_FAILING_H
#define PROCOBSRV_TESTS_LIVE_FAILING_H

#include <stdbool.h>
#include <stddef.h>

enum failing_mode {
	FAILING_ONCE, /* the allocation with that number alone */
	FAILING_FROM, /* and all that come after it */
};

/* From here on allocations are counted from 1, and number `number` fails. */
void failing_arm(unsigned long number, enum failing_mode mode);
/* No further failures. True: at least one allocation failed. */
bool failing_disarm(void);
/* Blocks that have been allocated and not freed. */
size_t failing_blocks(void);

#endif
