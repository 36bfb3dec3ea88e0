/* SPDX-License-Identifier: MIT */
/* Users by name, for what exists on Linux only. */
#ifndef PROCOBSRV_CONSCTL_LINUX_USER_ID_H
#define PROCOBSRV_CONSCTL_LINUX_USER_ID_H

#include <stdbool.h>
#include <stdint.h>

/* The number of a user: of a name that the system knows, or the number itself. False: neither. */
bool user_id_find(const char *user, uint32_t *uid);

#endif
