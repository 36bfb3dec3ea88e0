/* SPDX-License-Identifier: MIT */
/* Consoles: they take UTF-16, whatever their code page. */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_CONSOLE_H
#define PROCOBSRV_CONSCTL_WINDOWS_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <windows.h>

bool console_is(HANDLE handle);
/* Writes UTF-8; what is none becomes U+FFFD. False, and GetLastError(): failed. */
bool console_write(HANDLE console, const char *text, size_t size);
/* Lets the console of standard output understand colours until the process ends. False: it cannot.
 */
bool console_take_colors(void);

#endif
