/* SPDX-License-Identifier: MIT */
/* The resident observer as the configuration wants it. */
#ifndef PROCOBSRVD_OBSERVER_H
#define PROCOBSRVD_OBSERVER_H

#include "configuration.h"

/*
 * Installs the resident observer if there is none; puts one of this version and with these options
 * in the place of another, without a gap; leaves one that is as it should be. To be called while
 * nobody of this process reads it. BUSY: somebody else does, who is named. An error with
 * error_set().
 */
int observer_prepare(const struct configuration_observer *observer);

/* One service at a time: *lock is held until the process ends or observer_unlock(). BUSY names the
 * holder. */
int observer_lock(int *lock);
void observer_unlock(int lock);

#endif
