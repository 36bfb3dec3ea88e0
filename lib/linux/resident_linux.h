/* SPDX-License-Identifier: MIT */
/* Where the resident observer is pinned. */
#ifndef PROCOBSRV_LIB_LINUX_RESIDENT_LINUX_H
#define PROCOBSRV_LIB_LINUX_RESIDENT_LINUX_H

#include "resident.h"

const char *resident_pin_directory(void);

#endif
