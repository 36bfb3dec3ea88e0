/* SPDX-License-Identifier: MIT */
/*
 * A command line of Windows as the program that gets it splits it. Windows passes one string; that
 * it becomes argv is a matter of each program's C runtime. These are the rules of Microsoft's,
 * which nearly all programs follow:
 *
 *	https://learn.microsoft.com/en-us/cpp/c-language/parsing-c-command-line-arguments
 *	https://learn.microsoft.com/en-us/windows/win32/api/shellapi/nf-shellapi-commandlinetoargvw
 *
 * - Spaces and tabs part the arguments, except between double quotes, which are themselves no part
 *   of them.
 * - The program's name comes first. No rule for backslashes holds in it. A line that begins with a
 *   space has an empty name.
 * - Two quotes in a row between quotes are one that is part of the argument, and the quoting goes
 *   on.
 * - Backslashes are what they are, except before a quote: there two are one, and one that is left
 *   over makes the quote a part of the argument.
 * - A quote that is never closed reaches to the end.
 */
#ifndef PROCOBSRV_LIB_COMMAND_LINE_H
#define PROCOBSRV_LIB_COMMAND_LINE_H

#include <stddef.h>

/*
 * Writes the arguments of `size` bytes of WTF-8 (or ASCII's supersets) to `out`, each ended by NUL;
 * there is room for size + 1 bytes. Returns how many bytes were written: 0 for an empty line, in
 * whose place programs see a path of their own making. The line ends at a NUL (C0 80), as for the
 * program that gets it.
 */
size_t command_line_split(char *out, const char *line, size_t size);

#endif
