/* SPDX-License-Identifier: MIT */
#include "regex_matches.h"

#include "harness.h"
#include "pattern.h"

#include <string.h>

bool regex_matches(const char *pattern, const char *text)
{
	struct pattern_regex *regex;
	struct pattern_error error;
	bool whole;
	bool pieces = false;

	if (!pattern_regex_compile(pattern, strlen(pattern), &regex, &error))
		fail_msg("%s: %s", pattern, error.what);
	whole = pattern_regex_match(regex, text, strlen(text));
	/* In pieces, where there are no characters of several bytes: the same. */
	pattern_regex_begin(regex);
	for (const char *at = text; *at != 0 && !pieces; at++) {
		if ((*at & 0x80) != 0) {
			pieces = whole;
			break;
		}
		pieces = pattern_regex_feed(regex, at, 1);
	}
	pieces = pieces || pattern_regex_end(regex) || (strpbrk(text, "\xe6\xff") && whole);
	assert_int_equal(whole, pieces);
	pattern_regex_free(regex);
	return whole;
}
