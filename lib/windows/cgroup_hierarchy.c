/* SPDX-License-Identifier: MIT */
/* Windows has no control groups: none is found by its id, and there are none to list. */
#include "cgroup_hierarchy.h"

bool cgroup_hierarchy_path(uint64_t id, struct buffer *path)
{
	(void)id, (void)path;
	return false;
}

void cgroup_hierarchy_list(source_on_cgroup on_cgroup, void *param)
{
	(void)on_cgroup, (void)param;
}
