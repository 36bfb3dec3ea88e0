/* SPDX-License-Identifier: MIT */
/* The service in the system's list of services. */
#ifndef PROCOBSRVD_WINDOWS_SETUP_H
#define PROCOBSRVD_WINDOWS_SETUP_H

#include <stdbool.h>

/*
 * Enters this program, or changes how it starts: with Windows, or when it is asked to. What it has
 * to be configured with stays, or is begun. STATE: there is another service of that name, which
 * stays as it is; else PERMISSION, SYSTEM, with error_set().
 */
int setup_install(bool on_demand);

/* Ends it and takes it out again, its configuration with it. NOT_FOUND: it is not there; STATE: as
 * above. */
int setup_uninstall(void);

#endif
