/* SPDX-License-Identifier: MIT */
/*
 * Strings as JSON has them. They may be any bytes: what is not UTF-8 becomes U+FFFD, what controls
 * a terminal (C0, DEL, C1, bidirectional controls) is escaped, so that a line stays a line and is
 * safe to look at.
 */
#ifndef PROCOBSRV_LIB_JSON_H
#define PROCOBSRV_LIB_JSON_H

#include "buffer.h"

/*
 * For writers that keep their place in a register: appends text of `size` bytes in quotes at `out`,
 * which lies in the buffer with size + 2 bytes of room behind it; returns the place after it, and
 * sets *valid to false if some of it was not UTF-8. NULL: out of memory. The buffer's memory may
 * have moved, and its size is of no account.
 */
char *json_write_string(struct buffer *buffer, char *out, const char *text, size_t size,
			bool *valid);

/* Appends text in quotes; false: some of it was not UTF-8. */
bool json_append_string(struct buffer *buffer, const char *text);

/* Appends ["a","b"]; false: some of it was not UTF-8. */
bool json_append_strings(struct buffer *buffer, const char *const *texts, size_t count);

#endif
