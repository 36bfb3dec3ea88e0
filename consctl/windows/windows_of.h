/* SPDX-License-Identifier: MIT */
/* The windows of a program, which is how one asks it to end. */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_WINDOWS_OF_H
#define PROCOBSRV_CONSCTL_WINDOWS_WINDOWS_OF_H

#include <stdint.h>
#include <windows.h>

/* Waits until the program has put its windows up, five seconds at most, and asks each to close. A
 * program of the console has none, and is not asked anything. */
void windows_close_of(HANDLE process, uint32_t pid);

#endif
