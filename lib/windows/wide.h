/* SPDX-License-Identifier: MIT */
/*
 * The two ways to write text here: the library has UTF-8, the system UTF-16. Unpaired surrogates,
 * which names of files may hold, survive both ways (as in WTF-8).
 */
#ifndef PROCOBSRV_LIB_WINDOWS_WIDE_H
#define PROCOBSRV_LIB_WINDOWS_WIDE_H

#include <stddef.h>
#include <wchar.h>

/* The caller frees. Bytes that are not UTF-8 become U+FFFD. NULL: no memory. */
wchar_t *wide_from_utf8(const char *text);

/* `count` characters at `text`, which need not end with a NUL; the caller frees. NULL: no memory.
 */
char *wide_to_utf8(const wchar_t *text, size_t count);

/*
 * The absolute path for the system's calls, with the prefix that lifts the bound of 260 characters
 * where it needs that; the caller frees. NULL: no memory, or no path (GetLastError() tells).
 */
wchar_t *wide_path(const char *path);

#endif
