/* SPDX-License-Identifier: MIT */
/* UTF-8, and what a terminal makes of its characters. No locale is involved. */
#ifndef PROCOBSRV_LIB_UTF8_H
#define PROCOBSRV_LIB_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_INVALID  0xffffffffu /* not a character: bytes that are not UTF-8 */
#define UTF8_SIZE_MAX 4

/*
 * Reads one character from `size` > 0 bytes; returns how many it took. Overlong forms, surrogates
 * and what lies beyond U+10FFFF are invalid: *character is UTF8_INVALID then, and the bytes taken
 * are those that Unicode recommends to replace by one U+FFFD ("maximal subpart").
 */
size_t utf8_decode(const char *text, size_t size, uint32_t *character);

/* Writes a valid character, at most UTF8_SIZE_MAX bytes; returns how many. */
size_t utf8_encode(char *out, uint32_t character);

/* Columns on a terminal: 0 for combining characters, 2 for wide ones. */
unsigned unicode_width(uint32_t character);

/*
 * Whether a character may not be shown as it is: controls (C0, DEL, C1), bidirectional controls,
 * line and paragraph separators, tags and other marks that are invisible or reorder text.
 */
bool unicode_is_unsafe(uint32_t character);

/* Whether it looks like a space without being one to a shell. */
bool unicode_is_space(uint32_t character);

#endif
