/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRV_TESTS_DRIVER_GOLDEN_OS_H
#define PROCOBSRV_TESTS_DRIVER_GOLDEN_OS_H

/* Memory and clock as they were at the beginning; what was allocated is gone. */
void golden_os_begin(void);

#endif
