/* SPDX-License-Identifier: MIT */
/* The source that every system has which has the service: it reads what procobsrvd tells. */
#ifndef PROCOBSRV_LIB_SERVICE_SOURCE_H
#define PROCOBSRV_LIB_SERVICE_SOURCE_H

#include "source.h"

extern const struct source_operations service_source_operations;

#endif
