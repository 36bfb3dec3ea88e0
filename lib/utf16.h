/* SPDX-License-Identifier: MIT */
/*
 * Strings of Windows, which are any 16-bit units, in the form in which the library keeps them.
 * WTF-8 (https://simonsapin.github.io/wtf-8/) is UTF-8 with one thing more: a surrogate without its
 * other half takes the three bytes that its number would have as a character (ED A0 80 to ED BF
 * BF). A NUL within a string is C0 80 here, as our strings end at theirs. Nothing is lost either
 * way.
 */
#ifndef PROCOBSRV_LIB_UTF16_H
#define PROCOBSRV_LIB_UTF16_H

#include "buffer.h"

/* Most bytes of WTF-8 for `size` bytes of UTF-16. */
#define UTF16_WTF8_MAX(size) ((size) / 2 * 3)

/*
 * Writes `size` bytes of UTF-16LE, of any alignment, as WTF-8; returns how many bytes that took. No
 * NUL is added. An odd byte at the end is not looked at.
 */
size_t utf16_to_wtf8(char *out, const char *utf16, size_t size);

/*
 * Reads one character of WTF-8 as utf8_decode() does of UTF-8; besides, *character may be a
 * surrogate or 0.
 */
size_t wtf8_decode(const char *text, size_t size, uint32_t *character);

/* Half of a pair, of which there is no other. */
static inline bool utf16_is_surrogate(uint32_t character)
{
	return character >= 0xd800 && character <= 0xdfff;
}

/* Appends `size` bytes of WTF-8 in UTF-16LE; what is not WTF-8 becomes U+FFFD. */
void utf16_append(struct buffer *buffer, const char *text, size_t size);

/*
 * Appends `size` bytes of WTF-8 as UTF-8: each surrogate and each NUL that is part of the text
 * becomes U+FFFD.
 */
void utf16_append_utf8(struct buffer *buffer, const char *text, size_t size);

#endif
