/* SPDX-License-Identifier: MIT */
/* UTF-16LE to WTF-8 and back: pairs, halves of pairs, NULs, any bytes. */
#include "harness.h"
#include "utf16.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

#define UNITS_MAX 64

/* Units as Windows has them in memory. */
static size_t write_units(char *out, const uint16_t *units, size_t count)
{
	for (size_t at = 0; at < count; at++) {
		out[2 * at] = (char)(units[at] & 0xff);
		out[2 * at + 1] = (char)(units[at] >> 8);
	}
	return 2 * count;
}

/* Both ways, from memory of its exact size, so that a sanitizer sees a read beyond it. */
static void expect(const uint16_t *units, size_t count, const char *wtf8, const char *utf8)
{
	char bytes[2 * UNITS_MAX];
	size_t size = write_units(bytes, units, count);
	char *exact = malloc(size > 0 ? size : 1);
	char *text = malloc(UTF16_WTF8_MAX(size) + 1);
	struct buffer back = BUFFER_EMPTY;

	assert_non_null(exact);
	assert_non_null(text);
	memcpy(exact, bytes, size);
	size_t length = utf16_to_wtf8(text, exact, size);

	assert_true(length <= UTF16_WTF8_MAX(size));
	text[length] = 0;
	assert_int_equal(strlen(text), length);
	assert_string_equal(text, wtf8);

	utf16_append(&back, text, length);
	assert_int_equal(back.size, size);
	assert_memory_equal(size > 0 ? back.data : "", bytes, size);

	back.size = 0;
	utf16_append_utf8(&back, text, length);
	buffer_append_character(&back, 0);
	assert_string_equal(back.data, utf8);
	buffer_free(&back);
	free(text);
	free(exact);
}

#define EXPECT(wtf8, utf8, ...)                                                                    \
	expect((const uint16_t[]){__VA_ARGS__},                                                    \
	       sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t), (wtf8), (utf8))

static void converts_characters(void **state)
{
	(void)state;
	expect(NULL, 0, "", "");
	EXPECT("abc", "abc", 'a', 'b', 'c');
	EXPECT("\x7f\xc2\x80", "\x7f\xc2\x80", 0x7f, 0x80);
	EXPECT("\xdf\xbf\xe0\xa0\x80", "\xdf\xbf\xe0\xa0\x80", 0x7ff, 0x800);
	EXPECT("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80", 0xd7ff, 0xe000);
	EXPECT("\xef\xbf\xbf", "\xef\xbf\xbf", 0xffff);
	EXPECT("\xef\xbb\xbfx", "\xef\xbb\xbfx", 0xfeff,
	       'x'); /* no mark of an order: a character */
}

static void converts_pairs(void **state)
{
	(void)state;
	EXPECT("\xf0\x90\x80\x80", "\xf0\x90\x80\x80", 0xd800, 0xdc00);
	EXPECT("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", 0xdbff, 0xdfff);
	EXPECT("a\xf0\x9f\x98\x80z", "a\xf0\x9f\x98\x80z", 'a', 0xd83d, 0xde00, 'z');
	EXPECT("\xf0\x9f\x98\x80\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 0xd83d,
	       0xde00, 0xd83d, 0xde00);
}

#define ONE "\xef\xbf\xbd"

static void keeps_halves(void **state)
{
	(void)state;
	EXPECT("\xed\xa0\x80", ONE, 0xd800);
	EXPECT("\xed\xaf\xbf", ONE, 0xdbff);
	EXPECT("\xed\xb0\x80", ONE, 0xdc00);
	EXPECT("\xed\xbf\xbf", ONE, 0xdfff);
	EXPECT("a\xed\xa0\x80", "a" ONE, 'a', 0xd800);
	EXPECT("\xed\xb0\x80\xed\xa0\x80", ONE ONE, 0xdc00, 0xd800);
	EXPECT("\xed\xa0\x80\xed\xa0\x80", ONE ONE, 0xd800, 0xd800);
	/* The second first half has its other one. */
	EXPECT("\xed\xa0\xbd\xf0\x9f\x98\x80", ONE "\xf0\x9f\x98\x80", 0xd83d, 0xd83d, 0xde00);
	EXPECT("\xf0\x9f\x98\x80\xed\xb8\x80", "\xf0\x9f\x98\x80" ONE, 0xd83d, 0xde00, 0xde00);
}

static void keeps_nul(void **state)
{
	(void)state;
	EXPECT("\xc0\x80", ONE, 0);
	EXPECT("a\xc0\x80"
	       "b\xc0\x80",
	       "a" ONE "b" ONE, 'a', 0, 'b', 0);
}

static void ignores_half_a_unit(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(utf16_to_wtf8(text, "a\0\x3d", 3), 1);
	assert_int_equal(utf16_to_wtf8(text, "\x3d\xd8\0", 3), 3); /* no other half in sight */
	assert_int_equal(utf16_to_wtf8(text, "a", 1), 0);
}

/* Any units come back as they were, at an odd address too. */
static void loses_nothing(void **state)
{
	uint32_t random = 1;
	char bytes[2 * UNITS_MAX + 1], text[UTF16_WTF8_MAX(2 * UNITS_MAX)];

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint16_t units[UNITS_MAX];
		size_t count = (size_t)round % UNITS_MAX;

		for (size_t at = 0; at < count; at++) {
			random = random * 1664525u + 1013904223u;
			/* Half of them surrogates. */
			units[at] = (uint16_t)(random & 1u << 30 ? 0xd800 | (random >> 8 & 0x7ff)
								 : random >> 8);
		}
		size_t size = write_units(bytes + 1, units, count);
		size_t length = utf16_to_wtf8(text, bytes + 1, size);
		struct buffer back = BUFFER_EMPTY;

		assert_true(length == 0 || memchr(text, 0, length) == NULL);
		utf16_append(&back, text, length);
		assert_int_equal(back.size, size);
		assert_memory_equal(size > 0 ? back.data : "", bytes + 1, size);
		buffer_free(&back);
	}
}

static void decodes_any_bytes(void **state)
{
	struct buffer units = BUFFER_EMPTY;
	uint32_t character;

	(void)state;
	assert_int_equal(wtf8_decode("\xed\xa0", 2, &character), 1); /* cut off */
	assert_int_equal(character, UTF8_INVALID);
	assert_int_equal(wtf8_decode("\xc0\x81", 2, &character), 1);
	assert_int_equal(character, UTF8_INVALID);
	assert_int_equal(wtf8_decode("\xc0", 1, &character), 1);
	assert_int_equal(character, UTF8_INVALID);
	assert_int_equal(wtf8_decode("\xed\xbf\xbf", 3, &character), 3);
	assert_int_equal(character, 0xdfff);
	assert_int_equal(wtf8_decode("\xed\x9f\xbf", 3, &character), 3);
	assert_int_equal(character, 0xd7ff);

	utf16_append(&units,
		     "\xff"
		     "a",
		     2); /* none of ours: replaced */
	assert_int_equal(units.size, 4);
	assert_memory_equal(units.data,
			    "\xfd\xff"
			    "a\0",
			    4);
	buffer_free(&units);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(converts_characters), cmocka_unit_test(converts_pairs),
	    cmocka_unit_test(keeps_halves),	   cmocka_unit_test(keeps_nul),
	    cmocka_unit_test(ignores_half_a_unit), cmocka_unit_test(loses_nothing),
	    cmocka_unit_test(decodes_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
