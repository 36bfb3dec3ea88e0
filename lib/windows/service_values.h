/* SPDX-License-Identifier: MIT */
/*
 * The values under the service's key Parameters. The driver reads RingSize when it is loaded. The
 * others are the library's: at which number of the driver's the residence began, in which load.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_SERVICE_VALUES_H
#define PROCOBSRV_LIB_WINDOWS_SERVICE_VALUES_H

#include <stdbool.h>
#include <stdint.h>

/* 0: the driver's own choice. Without the right or memory it stays as it is. */
void service_values_set_ring_size(uint64_t bytes);

/* 0, or a PROCOBSRV_ERROR_ with error_set() called. */
int service_values_set_base(uint64_t stream, uint64_t base);
/* 0: none is kept for that load. */
uint64_t service_values_base(uint64_t stream);

/* With the key; before the service is deleted. */
void service_values_remove(void);

#endif
