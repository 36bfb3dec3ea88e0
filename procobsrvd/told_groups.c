/* SPDX-License-Identifier: MIT */
#include "told_groups.h"

#include "cgroup_table.h"

/* A table keeps what it was told until so many others have come. */
#define COUNT_MOST (CGROUP_TABLE_HALF / 2)

static uint64_t slot_of(uint64_t id)
{
	return (id * UINT64_C(0x9e3779b97f4a7c15) >> 40) % TOLD_GROUPS_SLOTS;
}

bool told_groups_has(const struct told_groups *groups, uint64_t id)
{
	return groups->ids[slot_of(id)] == id;
}

void told_groups_add(struct told_groups *groups, uint64_t id)
{
	if (groups->count == COUNT_MOST)
		*groups = (struct told_groups){0};
	groups->ids[slot_of(id)] = id;
	groups->count++;
}
