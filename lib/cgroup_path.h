/* SPDX-License-Identifier: MIT */
/*
 * What the path of a control group tells by its names: the container and who runs it, the unit of
 * systemd. A path is text from elsewhere: whoever may make groups may name them so.
 */
#ifndef PROCOBSRV_LIB_CGROUP_PATH_H
#define PROCOBSRV_LIB_CGROUP_PATH_H

#include <stddef.h>

/* Each is NULL where the path does not tell it. */
struct cgroup_names {
	const char *container_id; /* in the caller's room */
	const char *runtime;	  /* "docker", "podman", "containerd", "cri-o", "lxc",
				     "libvirt-lxc", "systemd-nspawn"; static text */
	const char *unit;	  /* in the caller's room */
};

/* Bytes of room that the names of a path of `length` bytes take at most. */
#define CGROUP_PATH_ROOM(length) (2 * ((length) + 1))

/*
 * Reads the names out of a path: of nested containers the innermost; of units the one that the
 * system's manager knows, or below user@UID.service the one of that user's. Any bytes but NUL.
 */
void cgroup_path_names(const char *path, size_t length, char *room, struct cgroup_names *names);

#endif
