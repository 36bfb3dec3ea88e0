/* SPDX-License-Identifier: MIT */
/* The examples of Microsoft's documentation, and what they leave out. */
#include "command_line.h"
#include "harness.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Arguments are told as one string with '|' after each. */
static void expect_bytes(const char *line, size_t size, const char *expected)
{
	/* Exact sizes: a sanitizer sees whatever goes beyond. */
	char *exact = malloc(size > 0 ? size : 1), *out = malloc(size + 1);
	char told[256] = "";

	assert_non_null(exact);
	assert_non_null(out);
	memcpy(exact, line, size);
	size_t written = command_line_split(out, exact, size);

	assert_true(written <= size + 1);
	assert_true(written < sizeof told);
	for (size_t at = 0; at < written; at++)
		told[at] = out[at] != 0 ? out[at] : '|';
	told[written] = 0;
	assert_string_equal(told, expected);
	free(out);
	free(exact);
}

static void expect(const char *line, const char *expected)
{
	expect_bytes(line, strlen(line), expected);
}

/* https://learn.microsoft.com/en-us/cpp/c-language/parsing-c-command-line-arguments */
static void documented_examples(void **state)
{
	(void)state;
	expect("x \"a b c\" d e", "x|a b c|d|e|");
	expect("x \"ab\\\"c\" \"\\\\\" d", "x|ab\"c|\\|d|");
	expect("x a\\\\\\b d\"e f\"g h", "x|a\\\\\\b|de fg|h|");
	expect("x a\\\\\\\"b c d", "x|a\\\"b|c|d|");
	expect("x a\\\\\\\\\"b c\" d e", "x|a\\\\b c|d|e|");
	expect("x a\"b\"\" c d", "x|ab\" c d|");
	/* Of older pages. */
	expect("x \"abc\" d e", "x|abc|d|e|");
	expect("x a\\\\b d\"e f\"g h", "x|a\\\\b|de fg|h|");
	expect("x a\\\\\\\"b c d", "x|a\\\"b|c|d|");
	expect("x \"a b \\\" c\" \"\\\\\" d", "x|a b \" c|\\|d|");
}

static void program_names(void **state)
{
	(void)state;
	expect("notepad.exe", "notepad.exe|");
	expect("\"C:\\Program Files\\x.exe\" a", "C:\\Program Files\\x.exe|a|");
	/* No rule for backslashes: the quote after one ends the quoting. */
	expect("\"C:\\Program Files\\\" a", "C:\\Program Files\\|a|");
	expect("C:\\dir\\\"a b\" c", "C:\\dir\\a b|c|");
	expect("C:\\\"Program Files\"\\x.exe a", "C:\\Program Files\\x.exe|a|");
	expect("\"never closed a b", "never closed a b|");
	expect("\"\" a", "|a|");
	expect("a\"\"b c", "ab|c|");
	expect(" a b", "|a|b|"); /* begins with a blank: an empty name */
	expect("\ta", "|a|");
	expect("x\ta\t\tb", "x|a|b|");
}

static void blanks(void **state)
{
	(void)state;
	expect("", "");
	expect(" ", "|");
	expect(" \t ", "|");
	expect("x ", "x|");
	expect("x  a  b  ", "x|a|b|");
	expect("x a\nb\vc\xc2\xa0"
	       "d",
	       "x|a\nb\vc\xc2\xa0"
	       "d|"); /* no other space parts */
	expect("x \"\" \"\"", "x|||");
	expect("x \" \" a", "x| |a|");
}

static void quotes(void **state)
{
	(void)state;
	expect("x a\"\"b", "x|ab|"); /* opened and closed */
	expect("x \"a\"\"b\" c", "x|a\"b|c|");
	expect("x \"\"\"\" a", "x|\"|a|");
	expect("x \"\"\" a b", "x|\" a b|");
	expect("x \"\"a\"\" b", "x|a|b|");
	expect("x \"a\"\"\" b", "x|a\"|b|");
	expect("x \"a b", "x|a b|");
	expect("x \"", "x||");
	expect("x a\" \"b", "x|a b|");
	expect("x \"a\" \"b\"", "x|a|b|");
	expect("x '\"a b\"' ^\"c d\"", "x|'a b'|^c d|");
	/* How programs pass JSON. */
	expect("x \"{\\\"a\\\": \\\"b c\\\"}\"", "x|{\"a\": \"b c\"}|");
}

static void backslashes(void **state)
{
	(void)state;
	expect("x \\", "x|\\|");
	expect("x \\\\", "x|\\\\|");
	expect("x \\ a", "x|\\|a|");
	expect("x \\\" a", "x|\"|a|");
	expect("x \\\\\" a", "x|\\ a|");
	expect("x \\\\\\\" a", "x|\\\"|a|");
	expect("x \\\\\\\\\" a", "x|\\\\ a|");
	expect("x \"a\\\" b", "x|a\" b|");
	expect("x \"a\\\\\" b", "x|a\\|b|");
	expect("x \"\\\\\"\"\" b", "x|\\\"|b|"); /* two, then two quotes within quotes: one */
	expect("x \\\\server\\share\\a\\ b", "x|\\\\server\\share\\a\\|b|");
	expect("x \"C:\\a b\\\" c", "x|C:\\a b\" c|"); /* the classic mistake */
}

static void ends_at_a_nul(void **state)
{
	(void)state;
	expect("a b\xc0\x80"
	       "c d",
	       "a|b|");
	expect("\xc0\x80"
	       "a",
	       "");
	expect("a \"b\xc0\x80 c", "a|b|");
	expect("a \xc0\x80", "a|");
	expect("a \xc0 b\xc0", "a|\xc0|b\xc0|"); /* none */
	expect_bytes("a\xc0\x80", 2, "a\xc0|");	 /* cut in the middle */
	expect("x \xf0\x9f\x98\x80 \xed\xa0\x80", "x|\xf0\x9f\x98\x80|\xed\xa0\x80|");
}

/* Whatever the line: it fits, it ends with a NUL, nothing is read beyond it. */
static void stays_in_bounds(void **state)
{
	static const char alphabet[] = {'"', '\\', ' ',	       '\t',	  'a',
					'"', '\\', (char)0xc0, (char)0x80};
	uint32_t random = 7;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		size_t size = (size_t)round % 24;
		char *line = malloc(size > 0 ? size : 1), *out = malloc(size + 1);

		for (size_t at = 0; at < size; at++) {
			random = random * 1664525u + 1013904223u;
			line[at] = alphabet[(random >> 16) % sizeof alphabet];
		}
		size_t written = command_line_split(out, line, size);

		assert_true(written <= size + 1);
		assert_true(written == 0 || out[written - 1] == 0);
		free(out);
		free(line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(documented_examples),
	    cmocka_unit_test(program_names),
	    cmocka_unit_test(blanks),
	    cmocka_unit_test(quotes),
	    cmocka_unit_test(backslashes),
	    cmocka_unit_test(ends_at_a_nul),
	    cmocka_unit_test(stays_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
