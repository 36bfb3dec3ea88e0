/* SPDX-License-Identifier: MIT */
/* Processors, as headers of programs name them (IMAGE_FILE_MACHINE_). */
#ifndef PROCOBSRV_CONSCTL_WINDOWS_MACHINE_H
#define PROCOBSRV_CONSCTL_WINDOWS_MACHINE_H

#include <stdbool.h>
#include <windows.h>

#ifndef IMAGE_FILE_MACHINE_ARM64
#define IMAGE_FILE_MACHINE_ARM64 0xaa64
#endif

/* What the kernel runs on, which the driver has to be built for. */
USHORT machine_of_kernel(void);
/* What this program is built for. */
USHORT machine_of_program(void);
/* "x64", "32-bit x86", ... */
const char *machine_name(USHORT machine);

/* What the header of a program or driver says. False: it cannot be read (GetLastError()), or is
 * none (ERROR_BAD_EXE_FORMAT). */
bool machine_of_file(const wchar_t *path, USHORT *machine, bool *is_signed);

#endif
