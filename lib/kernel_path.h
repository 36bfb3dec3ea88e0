/* SPDX-License-Identifier: MIT */
/*
 * Paths as the kernel of Windows has them ("\Device\HarddiskVolume2\x", "\??\C:\x") and as programs
 * write them ("C:\x", "\\server\share\x"). What the name itself tells is known here; where a volume
 * is to be found, the system is asked (os_path_of_device()).
 */
#ifndef PROCOBSRV_LIB_KERNEL_PATH_H
#define PROCOBSRV_LIB_KERNEL_PATH_H

#include "buffer.h"

/* Whether it is a path as programs write it: it begins with a drive, or with \\server. */
bool kernel_path_is_common(const char *path);

/*
 * Appends the path that programs use for a path of the kernel, without a NUL; false: they have none
 * for it, and nothing was appended. Out of memory: path->failed. WTF-8 in and out.
 */
bool kernel_path_map(const char *kernel_path, struct buffer *path);

#endif
