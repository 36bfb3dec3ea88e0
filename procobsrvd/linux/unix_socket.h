/* SPDX-License-Identifier: MIT */
/* A Unix socket that the service listens on, by its path. */
#ifndef PROCOBSRVD_UNIX_SOCKET_H
#define PROCOBSRVD_UNIX_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Which file the socket is: another one may take its path. */
struct unix_socket {
	int descriptor; /* listens, does not block, close-on-exec; -1: none */
	dev_t device;
	ino_t inode;
};

#define UNIX_SOCKET_NONE ((struct unix_socket){.descriptor = -1})

/*
 * Makes the socket at `path` and listens. Who may connect, by `mode` and the group's name (NULL:
 * the service's own). What is at the path already: a socket that nobody listens on is replaced, one
 * that answers is BUSY, any other file stays (ARGUMENT). Else SYSTEM, PERMISSION, ..., with
 * error_set(); nothing is left behind.
 */
int unix_socket_listen(const char *path, mode_t mode, const char *group,
		       struct unix_socket *listening);

/* Whether the path still leads to it; false: it was removed or replaced, and nobody finds it. */
bool unix_socket_is_there(const struct unix_socket *listening, const char *path);

/* Closes it, and removes the path if it still is this socket's. */
void unix_socket_close(struct unix_socket *listening, const char *path);

#endif
