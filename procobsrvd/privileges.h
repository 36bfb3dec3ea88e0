/* SPDX-License-Identifier: MIT */
/* What the service needs no more once the observer is in the kernel: docs/decisions/062. */
#ifndef PROCOBSRVD_PRIVILEGES_H
#define PROCOBSRVD_PRIVILEGES_H

#include "configuration.h"

/*
 * Keeps the capabilities that the service needs until its end, and forbids system calls that none
 * of its parts makes, for this thread, those that it starts, and programs that these run. To be
 * called before there are other threads. An error with error_set().
 */
int privileges_drop(const struct configuration *configuration);

#endif
