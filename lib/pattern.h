/* SPDX-License-Identifier: MIT */
/*
 * Globs and regular expressions of our own: the same on every system, free of locales, and of
 * bounded time on any text, since the texts are chosen by whom we observe.
 *
 * Both work on characters of UTF-8; a byte that is no part of one counts as a character by itself.
 */
#ifndef PROCOBSRV_LIB_PATTERN_H
#define PROCOBSRV_LIB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_BYTE 0x110000u /* plus the byte: no character, beyond all of Unicode */

/* Reads one character or byte of size > 0; returns how many bytes it took. */
size_t pattern_decode(const char *text, size_t size, uint32_t *character);

/*
 * Whether a glob matches all of the text: * for any run of characters (slashes too), ? for one,
 * [a-z] and [!a-z] for one of a set, a backslash before what is meant as it is.
 */
bool pattern_glob_match(const char *glob, size_t glob_size, const char *text, size_t size);

/*
 * Regular expressions as egrep has them, that match anywhere in the text: . [a-z] [^a-z]
 * [[:alpha:]] * + ? {m,n} | ( ) ^ $ \d \w \s \D \W \S \b \B \< \> and \ before what is meant as it
 * is; (?i) at the beginning ignores the case of ASCII letters. Time is proportional to the text's
 * length times the expression's, whatever they are.
 */
struct pattern_regex;

struct pattern_error {
	const char *what; /* static text; NULL: out of memory */
	size_t offset;	  /* where in the expression, in bytes */
};

/* False: *error tells why. On success *regex is freed with pattern_regex_free(). */
bool pattern_regex_compile(const char *expression, size_t size, struct pattern_regex **regex,
			   struct pattern_error *error);
void pattern_regex_free(struct pattern_regex *regex); /* NULL is allowed */

/* Whether it matches somewhere in the text. One thread at a time; allocates nothing. */
bool pattern_regex_match(struct pattern_regex *regex, const char *text, size_t size);

/*
 * The same for a text that comes in pieces, which end between characters. feed() returns true as
 * soon as it matches; end() tells whether it matched at last.
 */
void pattern_regex_begin(struct pattern_regex *regex);
bool pattern_regex_feed(struct pattern_regex *regex, const char *text, size_t size);
bool pattern_regex_end(struct pattern_regex *regex);

#endif
