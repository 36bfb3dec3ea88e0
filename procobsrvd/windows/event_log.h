/* SPDX-License-Identifier: MIT */
/* Windows' event log, where a service writes. */
#ifndef PROCOBSRVD_WINDOWS_EVENT_LOG_H
#define PROCOBSRVD_WINDOWS_EVENT_LOG_H

#include "log.h"

#define EVENT_LOG_SOURCE L"procobsrvd"

/* From now on the log goes there; before, and after the close, to standard error. To be called
 * while there are no other threads. */
void event_log_open(void);
void event_log_close(void);

#endif
