/* SPDX-License-Identifier: MIT */
/* Who is at the other end of a pipe. */
#ifndef PROCOBSRVD_WINDOWS_PEER_H
#define PROCOBSRVD_WINDOWS_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <windows.h>

struct peer {
	HANDLE token; /* to ask what groups it is in; NULL: none */
	uint32_t owner;
	uint32_t process; /* 0: not known */
};

/* Who opened the other end, as of when it did so; something must have been read from the pipe.
 * Close with peer_forget(). False: that is not known. */
bool peer_identify(HANDLE pipe, struct peer *peer);
void peer_forget(struct peer *peer);

/* Whether it acts as an administrator or the system, or is in the local group of that name (NULL:
 * none). */
bool peer_is_privileged(const struct peer *peer, const char *group);

#endif
