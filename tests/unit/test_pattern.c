/* SPDX-License-Identifier: MIT */
/* Globs and regular expressions. */
#include "harness.h"
#include "pattern.h"
#include "regex_matches.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool glob(const char *pattern, const char *text)
{
	return pattern_glob_match(pattern, strlen(pattern), text, strlen(text));
}

static void matches_globs(void **state)
{
	(void)state;
	assert_true(glob("", ""));
	assert_false(glob("", "a"));
	assert_true(glob("*", ""));
	assert_true(glob("*", "/a/b"));
	assert_true(glob("/usr/*", "/usr/bin/x"));
	assert_true(glob("*.c", "a.b.c"));
	assert_false(glob("*.c", "a.cc"));
	assert_true(glob("a?c", "abc"));
	assert_true(glob("a?c", "a\xe6\x97\xa5"
				"c"));
	assert_true(glob("a?c", "a\xff"
				"c"));
	assert_false(glob("a?c", "ac"));
	assert_true(glob("[a-c]x", "bx"));
	assert_false(glob("[!a-c]x", "bx"));
	assert_true(glob("[^a-c]x", "dx"));
	assert_true(glob("[]]", "]"));
	assert_true(glob("[a-]", "-"));
	assert_true(glob("[\\]]", "]"));
	assert_true(glob("[abc", "[abc"));
	assert_true(glob("\\*", "*"));
	assert_false(glob("\\*", "x"));
	assert_true(glob("**a**b**", "xxaxxbxx"));
	assert_false(glob("*a*b", "xxbxxa"));
	assert_true(glob("\xc3*", "\xc3x"));
	assert_true(glob("a*b*c", "aXbXbXc"));
}

/* Time is bounded by the product of the lengths. */
static void globs_in_time(void **state)
{
	static char text[20001];
	static const char pattern[] = "*a*a*a*a*a*a*a*a*a*a*a*a*a*b";

	(void)state;
	memset(text, 'a', sizeof text - 1);
	assert_false(glob(pattern, text));
}

static void matches_regexes(void **state)
{
	static const struct {
		const char *pattern;
		const char *text;
		bool matches;
	} cases[] = {
	    {"", "", true},
	    {"", "x", true},
	    {"abc", "xabcx", true},
	    {"abc", "xabx", false},
	    {"^abc$", "abc", true},
	    {"^abc$", "abcd", false},
	    {"^$", "", true},
	    {"^$", "x", false},
	    {"a.c",
	     "a\xe6\x97\xa5"
	     "c",
	     true},
	    {"a.c",
	     "a\xff"
	     "c",
	     true},
	    {"a.c", "a\nc", true},
	    {"curl|wget", "/usr/bin/wget", true},
	    {"^(curl|wget)$", "wget2", false},
	    {"a|b|c|d", "d", true},
	    {"a||b", "zzz", true},
	    {"()", "", true},
	    {"ab*c", "ac", true},
	    {"ab*c", "abbbc", true},
	    {"ab+c", "ac", false},
	    {"ab+c", "abbc", true},
	    {"ab?c", "abc", true},
	    {"^ab?c$", "abbc", false},
	    {"^a{3}$", "aaa", true},
	    {"^a{3}$", "aaaa", false},
	    {"^a{2,}$", "a", false},
	    {"^a{2,}$", "aaaaa", true},
	    {"^a{2,4}$", "aaaaa", false},
	    {"^a{2,4}$", "aaa", true},
	    {"^a{0,2}$", "", true},
	    {"^a{0,2}$", "aaa", false},
	    {"^a{0}b$", "b", true},
	    {"^a{0}b$", "ab", false},
	    {"^(ab){2,3}$", "abababab", false},
	    {"^(ab|c){2,3}$", "abcab", true},
	    {"^(a*)*$", "aaaa", true},
	    {"(a*)+b", "aaac", false},
	    {"^(a|b)*c$", "ababc", true},
	    {"a{,3}", "a{,3}", true},
	    {"a{x", "a{x", true},
	    {"[a-c]+", "xbx", true},
	    {"^[^a-c]+$", "xyz", true},
	    {"^[^a-c]+$", "xaz", false},
	    {"[]x]", "]", true},
	    {"[^]x]", "]x", false},
	    {"[a-]", "-", true},
	    {"[\\]\\-]", "-", true},
	    {"^[[:alpha:]_]+$", "ab_C", true},
	    {"^[[:alpha:]]+$", "ab1", false},
	    {"^[\\d\\s]+$", "1 2\t3", true},
	    {"^[^\\D]+$", "123", true},
	    {"^[^\\D]+$", "12a", false},
	    {"[[:digit:]]{3}", "a12b345", true},
	    {"\\d+", "a1", true},
	    {"^\\D+$", "a1", false},
	    {"^\\w+$", "a_1", true},
	    {"\\W", "a_1", false},
	    {"\\s", "a b", true},
	    {"^\\S+$", "a b", false},
	    {"\\.so\\b", "libc.so.6", true},
	    {"\\bsh\\b", "/bin/sh -c", true},
	    {"\\bsh\\b", "bash", false},
	    {"\\<sh", "ssh sh", true},
	    {"\\<sh", "bash", false},
	    {"sh\\>", "bash x", true},
	    {"sh\\>", "shx", false},
	    {"\\Bsh", "bash", true},
	    {"\\Bsh", "sh", false},
	    {"(?i)CuRl", "cURL", true},
	    {"(?i)[a-c]x", "BX", true},
	    {"(?i)[A-C]x", "bX", true},
	    {"(?:ab)+$", "xabab", true},
	    {"\\x41\\t", "A\t", true},
	    {"\\xff", "a\xff", true},
	    {"\xe6\x97\xa5+$", "\xe6\x97\xa5\xe6\x97\xa5", true},
	    {"[\xe6\x97\xa0-\xe6\x97\xaf]", "\xe6\x97\xa5", true},
	    {"\\(x\\)\\*", "(x)*", true},
	    {"a**", "b", true},
	    {"x(a|b)?y", "xby", true},
	    {"^a|b$", "ab", true},
	    {"^a|b$", "xbx", false},
	    {"b$|^a", "ax", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		if (regex_matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("%s on %s", cases[i].pattern, cases[i].text);
	}
}

static void explains_errors(void **state)
{
	static const struct {
		const char *pattern;
		size_t offset;
	} cases[] = {
	    {"(", 0},	    {"a)", 1},	  {"[a", 0},	    {"*", 0},
	    {"a|*", 2},	    {"(+)", 1},	  {"\\", 0},	    {"\\1", 0},
	    {"\\q", 0},	    {"[z-a]", 1}, {"[[:foo:]]", 1}, {"a{2,1}", 1},
	    {"a{1001}", 2}, {"(?=a)", 0}, {"\\x1", 3},	    {"a{1000}{1000}", 13},
	    {"[", 0},	    {"[]", 0},	  {"[^", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pattern_regex *regex = NULL;
		struct pattern_error error;

		if (pattern_regex_compile(cases[i].pattern, strlen(cases[i].pattern), &regex,
					  &error))
			fail_msg("should not compile: %s", cases[i].pattern);
		assert_null(regex);
		assert_non_null(error.what);
		if (error.offset != cases[i].offset)
			fail_msg("%s: offset %zu: %s", cases[i].pattern, error.offset, error.what);
	}
}

/* What makes backtracking matchers hang. */
static void matches_in_time(void **state)
{
	static char text[50001];

	(void)state;
	memset(text, 'a', sizeof text - 1);
	assert_false(regex_matches("^(a+)+$b", text));
	assert_false(regex_matches("(a|aa)*b", text));
	assert_false(regex_matches("(a?){100}a{100}b", text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches_globs),   cmocka_unit_test(globs_in_time),
	    cmocka_unit_test(matches_regexes), cmocka_unit_test(explains_errors),
	    cmocka_unit_test(matches_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
