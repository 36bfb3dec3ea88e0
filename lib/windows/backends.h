/* SPDX-License-Identifier: MIT */
/* The sources of this system. */
#ifndef PROCOBSRV_LIB_WINDOWS_BACKENDS_H
#define PROCOBSRV_LIB_WINDOWS_BACKENDS_H

#include "source.h"

extern const struct source_operations driver_source_operations;
extern const struct source_operations job_source_operations;
extern const struct source_operations snapshot_source_operations;

#endif
