/* SPDX-License-Identifier: MIT */
/*
 * One at a time sets the driver up, joins it, leaves it or removes it: a mutex of the whole machine
 * that only administrators can open. Whoever made one of that name before, to be waited for or to
 * let others in, is noticed by its owner.
 */
#ifndef PROCOBSRV_LIB_WINDOWS_SETUP_LOCK_H
#define PROCOBSRV_LIB_WINDOWS_SETUP_LOCK_H

#include <windows.h>

/* 0 and *lock, to be given back on the same thread; or a PROCOBSRV_ERROR_ with error_set() called.
 */
int setup_lock_take(HANDLE *lock);
void setup_lock_release(HANDLE lock);

#endif
