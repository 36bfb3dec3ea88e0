/* SPDX-License-Identifier: MIT */
/* The numbers of owner.h for users that Windows names. */
#ifndef PROCOBSRVD_WINDOWS_OWNER_NAME_H
#define PROCOBSRVD_WINDOWS_OWNER_NAME_H

#include "owner.h"

#include <windows.h>

/* The number of that user, given now if need be; OWNER_NOBODY: no memory. Any thread. */
uint32_t owner_of_name(const char *name); /* "S-1-5-..." */
uint32_t owner_of_sid(PSID sid);

#endif
