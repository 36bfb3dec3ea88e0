/* SPDX-License-Identifier: MIT */
/* A TCP socket that nobody beyond this machine reaches. */
#ifndef PROCOBSRVD_LOOPBACK_H
#define PROCOBSRVD_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the text is an address of 127.0.0.0/8 or ::1. */
bool loopback_is(const char *address);

/* Listens at a loopback address; *descriptor does not block and is closed on exec. ARGUMENT: the
 * address is none; BUSY: another program has the port; else SYSTEM, ..., with error_set(). */
int loopback_listen(const char *address, uint16_t port, int *descriptor);

#endif
