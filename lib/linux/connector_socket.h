/* SPDX-License-Identifier: MIT */
/* The netlink socket to the kernel's process events connector. */
#ifndef PROCOBSRV_LIB_LINUX_CONNECTOR_SOCKET_H
#define PROCOBSRV_LIB_LINUX_CONNECTOR_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/cn_proc.h>

/*
 * Opens a socket that the kernel may send events to, with room for `size` bytes (0: 64 MiB); *room
 * is what was granted. Errors: PERMISSION, UNSUPPORTED (a container, a kernel without it), SYSTEM.
 */
int connector_socket_open(uint64_t size, int *opened, uint64_t *room);

/* Asks the kernel to tell or not to tell; the answer bears id + 1. */
bool connector_socket_send(int descriptor, enum proc_cn_mcast_op operation, uint32_t id);

#endif
