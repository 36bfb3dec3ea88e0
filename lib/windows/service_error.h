/* SPDX-License-Identifier: MIT */
/* Why the system does not set a driver up, and what helps. */
#ifndef PROCOBSRV_LIB_WINDOWS_SERVICE_ERROR_H
#define PROCOBSRV_LIB_WINDOWS_SERVICE_ERROR_H

/* error_set() for an error of Windows: `what` could not be done to the service. Returns the code.
 */
int service_error(unsigned long error, const char *what);

/* It does not get out of a state in which it is about to start or stop. */
int service_error_pending(const char *what);

#endif
