/* SPDX-License-Identifier: MIT */
/* What the programs that consctl starts get: signals as it found them, a user's rights. */
#ifndef PROCOBSRV_CONSCTL_LINUX_LAUNCH_H
#define PROCOBSRV_CONSCTL_LINUX_LAUNCH_H

#include "../platform.h"

/* Notes mask and ignored signals, before consctl changes any. */
void launch_save_signals(void);
/* Sets them so again, in a child before it execs. */
void launch_restore_signals(void);

/* Gives this process for good the rights, the groups and the environment of the user, before it
 * execs; NULL: those that it has. 0 or an errno: then it has some of both. */
int launch_become(const struct launcher_user *user);

#endif
