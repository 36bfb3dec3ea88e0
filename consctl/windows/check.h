/* SPDX-License-Identifier: MIT */
/* What doctor looks at, by file. */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_CHECK_H
#define PROCOBSRV_CONSCTL_WINDOWS_CHECK_H

#include "../check_list.h"

/* check_driver.c: what loading the driver takes. */
void check_rights(struct check_list *list);
void check_driver_file(struct check_list *list);
void check_service(struct check_list *list);

#endif
