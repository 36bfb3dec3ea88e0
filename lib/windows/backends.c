/* SPDX-License-Identifier: MIT */
#include "backends.h"

#include <stddef.h>

/* The more a source tells, the earlier it stands. */
const struct source_operations *const source_backends[] = {
    &driver_source_operations,
    &job_source_operations,
    &snapshot_source_operations,
    NULL,
};
