/* SPDX-License-Identifier: MIT */
/* Our regular expressions against the C library's, on random patterns. */
#include "harness.h"
#include "regex_matches.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

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
	    cmocka_unit_test(agrees_with_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
