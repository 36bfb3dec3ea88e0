/* SPDX-License-Identifier: MIT */
/* Globs and regular expressions; the latter also against the C library's, on random patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pattern.h"

#include <regex.h>
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

static bool regex_matches(const char *pattern, const char *text)
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

#define DEPTH 2

static char *write_text(char *out, const char *text)
{
	size_t size = strlen(text);

	memcpy(out, text, size);
	return out + size;
}

static void write_random(char *out, size_t atoms, unsigned depth)
{
	static const char *const simple[] = {"a", "b", "c", ".", "[ab]", "[^a]", "^", "$"};
	static const char *const repeats[] = {"*", "+", "?", "{2}", "{0,2}", "{1,}"};

	for (size_t i = 0; i < atoms; i++) {
		size_t choice = (size_t)rand() % 10;

		/* Repeated anchors mean different things, and glibc errs on them in groups. */
		if (depth < DEPTH && (choice == 6 || choice == 7))
			choice = 0;

		if (choice < 8 || depth == 0) {
			out = write_text(out, simple[choice % 8]);
			if (choice % 8 > 5)
				continue;
		} else {
			*out++ = '(';
			write_random(out, 1 + (size_t)rand() % 2, depth - 1);
			out += strlen(out);
			*out++ = '|';
			write_random(out, 1 + (size_t)rand() % 2, depth - 1);
			out += strlen(out);
			*out++ = ')';
		}
		if (rand() % 3 == 0)
			out = write_text(out, repeats[(size_t)rand() % 6]);
	}
	*out = 0;
}

static void agrees_with_the_c_library(void **state)
{
	size_t matched = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < 20000; i++) {
		char pattern[1024];
		char text[12];
		size_t length = (size_t)rand() % (sizeof text - 1);
		bool ours;
		bool theirs;
		regex_t regex;

		write_random(pattern, 1 + (size_t)rand() % 4, DEPTH);
		for (size_t at = 0; at < length; at++)
			text[at] = (char)('a' + rand() % 3);
		text[length] = 0;
		if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
			continue;
		theirs = regexec(&regex, text, 0, NULL, 0) == 0;
		regfree(&regex);
		ours = regex_matches(pattern, text);
		if (ours != theirs)
			fail_msg("%s on \"%s\": the C library says %d", pattern, text, theirs);
		matched += ours;
	}
	assert_true(matched > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(matches_globs),   cmocka_unit_test(globs_in_time),
	    cmocka_unit_test(matches_regexes), cmocka_unit_test(explains_errors),
	    cmocka_unit_test(matches_in_time), cmocka_unit_test(agrees_with_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
