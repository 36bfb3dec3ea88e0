/* SPDX-License-Identifier: MIT */
/* A named pipe that readers of this machine connect to. */
#ifndef PROCOBSRVD_WINDOWS_PIPE_H
#define PROCOBSRVD_WINDOWS_PIPE_H

#include <stdbool.h>
#include <windows.h>

#define PIPE_BUFFER_SIZE (64u << 10) /* bytes on the way to a reader */

/*
 * One more instance of the pipe, in byte mode, overlapped. With `first` it must be the first, so
 * that nobody else has the name: INVALID_HANDLE_VALUE and ERROR_ACCESS_DENIED or ERROR_PIPE_BUSY
 * otherwise. GetLastError() tells what failed.
 */
HANDLE pipe_create(const wchar_t *name, bool first);

#endif
