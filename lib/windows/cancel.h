/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRV_LIB_WINDOWS_CANCEL_H
#define PROCOBSRV_LIB_WINDOWS_CANCEL_H

#include <windows.h>

/*
 * Asks the system to give up what is under way with a handle, whichever thread began it; before
 * Windows Vista only what this thread did. Its memory stays in use until the result has come.
 */
void cancel_pending(HANDLE handle);

#endif
