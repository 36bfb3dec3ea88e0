/* SPDX-License-Identifier: MIT */
/*
 * The driver as a service of the system: registered, started, stopped, removed. It is registered in
 * one of two ways: for as long as it is watched, with its file where it lies beside the program; or
 * installed, with its file copied to the system's drivers. A service of that name that is neither
 * is reported and never touched.
 *
 * All calls are made under the lock of setup_lock.h, and return 0 or a PROCOBSRV_ERROR_ with
 * error_set() called.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_SERVICE_H
#define PROCOBSRV_LIB_WINDOWS_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Sees to it that the driver is loaded. If no service is registered, registers one for as long as
 * it is watched; on failure nothing of that is left. ring_size: bytes, 0: the driver's own choice;
 * it counts if the driver was not loaded before.
 */
int service_load(uint64_t ring_size);

/* Registers the driver as installed, or makes it so, and loads it. */
int service_install(uint64_t ring_size);

/* Puts this copy's file in the place of the installed one; a loaded driver goes on as it is. */
int service_replace(void);

/* The last client has left: unloads the driver, and removes it unless it is installed. */
int service_unload(void);

/* Unloads the driver and removes service and file. NOT_FOUND: there is no service. */
int service_uninstall(void);

/* Whether the service is registered as installed (loaded or not). */
int service_look(bool *installed);

#endif
