/* SPDX-License-Identifier: MIT */
/* What parts.c lists: metrics and health of the service over HTTP. */
#ifndef PROCOBSRVD_METRICS_PART_H
#define PROCOBSRVD_METRICS_PART_H

#include "service.h"

extern const struct service_part_operations service_part_metrics;

#endif
