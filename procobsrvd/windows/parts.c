/* SPDX-License-Identifier: MIT */
/* Which sinks and which parts this build has: a line each. */
#include "server_part.h"
#include "service.h"

#include <stddef.h>

const struct sink_operations *const service_sinks[] = {
    &sink_json_lines,
    NULL,
};

/* Opened in this order, closed in the reverse one. */
const struct service_part_operations *const service_parts[] = {
    &service_part_readers,
    NULL,
};
