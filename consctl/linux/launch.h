/* SPDX-License-Identifier: MIT */
/* Signals as consctl found them, for the programs that it starts. */
#ifndef PROCOBSRV_CONSCTL_LINUX_LAUNCH_H
#define PROCOBSRV_CONSCTL_LINUX_LAUNCH_H

/* Notes mask and ignored signals, before consctl changes any. */
void launch_save_signals(void);
/* Sets them so again, in a child before it execs. */
void launch_restore_signals(void);

#endif
