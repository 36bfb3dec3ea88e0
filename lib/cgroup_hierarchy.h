/* SPDX-License-Identifier: MIT */
/*
 * The control groups of the system, for sources that tell them. Linux: the unified hierarchy
 * (cgroup2) as its mount shows it; where it is not mounted, or this process is in another cgroup
 * namespace than the host, nothing is told: what could be seen then are not the host's paths.
 * Windows has none.
 */
#ifndef PROCOBSRV_LIB_CGROUP_HIERARCHY_H
#define PROCOBSRV_LIB_CGROUP_HIERARCHY_H

#include "source.h"

/* struct source_operations.read_cgroup and .list_cgroups */
bool cgroup_hierarchy_path(uint64_t id, struct buffer *path);
void cgroup_hierarchy_list(source_on_cgroup on_cgroup, void *param);

#endif
