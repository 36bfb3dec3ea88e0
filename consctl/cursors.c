/* SPDX-License-Identifier: MIT */
/*
 * The cursors of the last events. Repeats come from a reader that went on where the one before it
 * was cut off, so they are near: of two sets, the older one is forgotten when the newer is full.
 */
#include "ledger.h"

#include <stdlib.h>
#include <string.h>

#define SET_EVENTS (1u << 20)
#define SET_SLOTS  (2 * SET_EVENTS)

struct cursors {
	uint64_t *newer; /* 0: the slot is free */
	uint64_t *older;
	size_t count;
};

struct cursors *cursors_create(void)
{
	struct cursors *cursors = calloc(1, sizeof(*cursors));

	if (!cursors)
		return NULL;
	cursors->newer = calloc(SET_SLOTS, sizeof(*cursors->newer));
	cursors->older = calloc(SET_SLOTS, sizeof(*cursors->older));
	if (!cursors->newer || !cursors->older) {
		cursors_destroy(cursors);
		return NULL;
	}
	return cursors;
}

/* The slot where it is, or belongs. */
static uint64_t *find(uint64_t *set, uint64_t cursor)
{
	size_t slot = (size_t)(cursor ^ cursor >> 32) % SET_SLOTS;

	while (set[slot] && set[slot] != cursor)
		slot = (slot + 1) % SET_SLOTS;
	return &set[slot];
}

bool cursors_seen(struct cursors *cursors, uint64_t cursor)
{
	uint64_t *slot = find(cursors->newer, cursor);

	if (*slot)
		return true;
	if (*find(cursors->older, cursor))
		return true;
	*slot = cursor;
	if (++cursors->count == SET_EVENTS) {
		uint64_t *emptied = cursors->older;

		memset(emptied, 0, SET_SLOTS * sizeof(*emptied));
		cursors->older = cursors->newer;
		cursors->newer = emptied;
		cursors->count = 0;
	}
	return false;
}

void cursors_destroy(struct cursors *cursors)
{
	if (!cursors)
		return;
	free(cursors->newer);
	free(cursors->older);
	free(cursors);
}
