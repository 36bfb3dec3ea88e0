/* SPDX-License-Identifier: MIT */
/* Who starts and ends the service: the service control manager, or whoever sits before it. */
#ifndef PROCOBSRVD_WINDOWS_CONTROL_H
#define PROCOBSRVD_WINDOWS_CONTROL_H

#include <stdbool.h>

/* The name of the service. */
#define CONTROL_NAME L"procobsrvd"

/* Runs it with the configuration in `key` until Ctrl-C, Ctrl-Break or the end of the session.
 * Whether all went well; else it was logged. */
bool control_foreground(const char *key);

/* Runs it as the service control manager asks; false: that did not start this process, or the
 * service failed, which was logged. */
bool control_service(const char *key);

#endif
