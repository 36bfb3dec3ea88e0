/* SPDX-License-Identifier: MIT */
/*
 * Joining the driver and leaving it. Who comes first loads it, if it is not installed, and who is
 * the last to leave removes it again; both under the lock of setup_lock.h, so that nobody joins
 * what is just going.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_DRIVER_JOIN_H
#define PROCOBSRV_LIB_WINDOWS_DRIVER_JOIN_H

#include "driver.h"

struct driver_client {
	HANDLE device;
	struct ioctl_token begin; /* where it goes on */
	uint32_t driver_flags;	  /* enum ioctl_driver_flag */
	uint64_t resident_base;	  /* number before the residence, for its reader */
};

/*
 * Activates monitoring. `resident`: as the reader of the resident monitoring (NOT_FOUND: there is
 * none; BUSY: error_set() names the reader there is). ring_size: see service_load(). 0 or a
 * PROCOBSRV_ERROR_ with error_set() called.
 */
int driver_join(bool resident, uint64_t ring_size, struct driver_client *client);

/* Deactivates, which ends a read that waits, and closes the device. */
void driver_leave(struct driver_client *client);

/* "consctl.exe" of a process that runs; empty: nobody, or not known. */
void driver_name_process(uint32_t pid, char *name, size_t size);

#endif
