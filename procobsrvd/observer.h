/* SPDX-License-Identifier: MIT */
/* The observer as the configuration wants it. One implementation per OS folder. */
#ifndef PROCOBSRVD_OBSERVER_H
#define PROCOBSRVD_OBSERVER_H

#include "configuration.h"

/* How the library is opened. */
struct observer_choice {
	uint32_t flags;		     /* of enum procobsrv_option_flag */
	const char *const *backends; /* the first that can be had, ended by NULL; static */
};

/*
 * Sees to the observer that the service reads. Linux: installs the resident observer if there is
 * none; puts one of this version and with these options in the place of another, without a gap;
 * leaves one that is as it should be. Windows: takes the driver where it is installed; else nothing
 * outlives the service, which is logged. To be called while nobody of this process reads it. BUSY:
 * somebody else does, who is named. An error with error_set().
 */
int observer_prepare(const struct configuration_observer *observer, struct observer_choice *choice);

/* One service at a time: *lock is held until the process ends or observer_unlock(). BUSY names the
 * holder. */
#define OBSERVER_UNLOCKED ((intptr_t)-1)
int observer_lock(intptr_t *lock);
void observer_unlock(intptr_t lock);

#endif
