/* SPDX-License-Identifier: MIT */
/* Containers, as the paths of cgroups name them. */
#ifndef PROCOBSRV_SINKS_RECORD_CONTAINER_H
#define PROCOBSRV_SINKS_RECORD_CONTAINER_H

#include <stddef.h>

/*
 * The id of a container in the path of its cgroup: 64 hexadecimal digits, with which Docker,
 * Podman, containerd and CRI-O all name it ("/system.slice/docker-ID.scope", "/docker/ID"). The
 * innermost one; within the path, *length bytes. NULL: there is none.
 */
const char *record_container(const char *cgroup, size_t *length);

#endif
