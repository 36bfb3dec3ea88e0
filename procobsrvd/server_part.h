/* SPDX-License-Identifier: MIT */
/* The readers' socket as a part of the service. */
#ifndef PROCOBSRV_PROCOBSRVD_SERVER_PART_H
#define PROCOBSRV_PROCOBSRVD_SERVER_PART_H

#include "server.h"
#include "service.h"

extern const struct service_part_operations service_part_readers;

/* For service_with_part(). */
void server_part_figures(struct service_part *part, struct server_figures *figures);

#endif
