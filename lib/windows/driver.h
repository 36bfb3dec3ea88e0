/* SPDX-License-Identifier: MIT */
/* The driver's device as one client has it: the calls of observer/windows/ioctl.h. */
#ifndef PROCOBSRV_LIB_WINDOWS_DRIVER_H
#define PROCOBSRV_LIB_WINDOWS_DRIVER_H

#include "../../observer/windows/ioctl.h"

#include <stdbool.h>
#include <stddef.h>
#include <windows.h>

/* All but driver_name_error() return 0 or an error of Windows; any thread may call them. */

/* Opens the device. ERROR_FILE_NOT_FOUND: no driver is loaded. */
DWORD driver_open(HANDLE *device);
DWORD driver_query(HANDLE device, struct ioctl_information *information);
/* `flags` of enum ioctl_activation_flag, with IOCTL_ACTIVATE. */
DWORD driver_activate(HANDLE device, uint32_t flags, struct ioctl_token *begin);
/* Ends a read that waits, too. */
DWORD driver_deactivate(HANDLE device);
DWORD driver_acknowledge(HANDLE device, const struct ioctl_token *token);
/* `version`: of this program; NULL: ends the residence. */
DWORD driver_reside(HANDLE device, const char *version);

/*
 * Begins to read; `overlapped` has an event, which is set when the buffer has a batch. Buffer and
 * overlapped stay where they are until then, or until the read was cancelled (driver_finish_read).
 */
DWORD driver_begin_read(HANDLE device, void *buffer, size_t size, OVERLAPPED *overlapped);
/* ERROR_IO_INCOMPLETE: it still waits. `wait`: until it has ended. */
DWORD driver_finish_read(HANDLE device, OVERLAPPED *overlapped, bool wait, size_t *size);

/* error_set() for a call that failed: what it was to do, why not, what helps. */
int driver_name_error(DWORD error, const char *what);

#endif
