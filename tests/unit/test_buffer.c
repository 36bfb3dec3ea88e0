/* SPDX-License-Identifier: MIT */
#include "buffer.h"
#include "harness.h"
#include "text_number.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base64.h"
#include "utf8.h"

static void expect_text(struct buffer *buffer, const char *expected)
{
	buffer_append_character(buffer, 0);
	assert_false(buffer->failed);
	assert_string_equal(buffer->data, expected);
	buffer_free(buffer);
}

static void grows(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	for (int i = 0; i < 100000; i++)
		buffer_append_character(&buffer, (char)('a' + i % 26));
	assert_int_equal(buffer.size, 100000);
	assert_true(buffer.capacity >= 100000);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(buffer.data[i], 'a' + i % 26);
	buffer_append(&buffer, "x", 0);
	assert_int_equal(buffer.size, 100000);
	buffer_free(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.size, 0);
}

static void refuses_the_impossible(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	buffer_append_text(&buffer, "kept");
	assert_false(buffer_reserve(&buffer, SIZE_MAX - 8));
	assert_true(buffer.failed);
	assert_int_equal(buffer.size, 4);
	assert_memory_equal(buffer.data, "kept", 4);
	buffer_free(&buffer);
	assert_false(buffer.failed);
}

static void writes_numbers(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	uint64_t powers[] = {0, 9, 10, 99, 100, 999, 1000, 9999, 10000, 99999, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++) {
		buffer_append_unsigned(&buffer, powers[i]);
		buffer_append_character(&buffer, ' ');
	}
	expect_text(&buffer, "0 9 10 99 100 999 1000 9999 10000 99999 100000 ");
	buffer_append_unsigned(&buffer, UINT64_MAX);
	expect_text(&buffer, "18446744073709551615");
	buffer_append_signed(&buffer, INT64_MIN);
	expect_text(&buffer, "-9223372036854775808");
	buffer_append_signed(&buffer, INT64_MAX);
	expect_text(&buffer, "9223372036854775807");
	buffer_append_signed(&buffer, -1);
	expect_text(&buffer, "-1");
}

static void writes_times(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	buffer_append_time(&buffer, 0);
	expect_text(&buffer, "1970-01-01T00:00:00.000000000Z");
	buffer_append_time(&buffer, -1);
	expect_text(&buffer, "1969-12-31T23:59:59.999999999Z");
	buffer_append_time(&buffer, INT64_C(951782400000000000));
	expect_text(&buffer, "2000-02-29T00:00:00.000000000Z");
	buffer_append_time(&buffer, INT64_C(1795328000123456789));
	expect_text(&buffer, "2026-11-22T06:13:20.123456789Z");
	buffer_append_time(&buffer, INT64_MAX);
	expect_text(&buffer, "2262-04-11T23:47:16.854775807Z");
	buffer_append_time(&buffer, INT64_MIN);
	expect_text(&buffer, "1677-09-21T00:12:43.145224192Z");
}

/* Every day of four centuries against the C library. */
static void agrees_with_the_calendar(void **state)
{
	int compared = 0;

	(void)state;
	for (int64_t day = -25000; day < 106000; day++) {
		struct buffer buffer = BUFFER_EMPTY;
		int64_t seconds = day * 86400 + 3661;
		time_t when = (time_t)seconds;
		struct tm *date = gmtime(&when);
		char expected[64];

		/* Not every C library knows all of them. */
		if (when != seconds || !date)
			continue;
		strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.000000000Z", date);
		buffer_append_time(&buffer, seconds * 1000000000);
		expect_text(&buffer, expected);
		int64_t read = 0;
		assert_true(text_read_second(expected, &read));
		assert_int_equal(read, seconds);
		compared++;
	}
	assert_true(compared > 24000);
}

static void reads_no_other_times(void **state)
{
	static const char *const wrong[] = {
	    "2026-11-22 06:13:20", "2026-13-22T06:13:20", "2026-00-22T06:13:20",
	    "2026-11-32T06:13:20", "2026-02-30T06:13:20", "2026-11-00T06:13:20",
	    "2026-11-22T24:13:20", "2026-11-22T06:60:20", "2026-11-22T06:13:61",
	    "2026-11-22T06:13:2x", "0000-11-22T06:13:20", "26-11-2226T06:13:20"};
	int64_t read = 77;

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(text_read_second(wrong[i], &read));
	assert_int_equal(read, 77);
}

static void encodes_base64(void **state)
{
	static const char *const vectors[][2] = {{"", ""},
						 {"f", "Zg=="},
						 {"fo", "Zm8="},
						 {"foo", "Zm9v"},
						 {"foob", "Zm9vYg=="},
						 {"fooba", "Zm9vYmE="},
						 {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct buffer buffer = BUFFER_EMPTY;
		struct base64 base64 = BASE64_INTO(&buffer);

		/* In pieces of one byte: the same. */
		for (const char *at = vectors[i][0]; *at != 0; at++)
			base64_append(&base64, at, 1);
		base64_finish(&base64);
		expect_text(&buffer, vectors[i][1]);
	}
}

static void decodes_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		uint32_t character;
	} cases[] = {
	    {"a", 1, 'a'},
	    {"\xc2\x80", 2, 0x80},
	    {"\xdf\xbf", 2, 0x7ff},
	    {"\xe0\xa0\x80", 3, 0x800},
	    {"\xed\x9f\xbf", 3, 0xd7ff},
	    {"\xef\xbf\xbf", 3, 0xffff},
	    {"\xf0\x90\x80\x80", 4, 0x10000},
	    {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	    {"\x80", 1, UTF8_INVALID},
	    {"\xc0\x80", 1, UTF8_INVALID},
	    {"\xc1\xbf", 1, UTF8_INVALID},
	    {"\xe0\x9f\xbf", 1, UTF8_INVALID},
	    {"\xed\xa0\x80", 1, UTF8_INVALID},
	    {"\xf0\x8f\xbf\xbf", 1, UTF8_INVALID},
	    {"\xf4\x90\x80\x80", 1, UTF8_INVALID},
	    {"\xf5\x80\x80\x80", 1, UTF8_INVALID},
	    {"\xff", 1, UTF8_INVALID},
	    {"\xe2\x82", 2, UTF8_INVALID},
	    {"\xe2\x82x", 2, UTF8_INVALID},
	    {"\xf0\x9f\x98", 3, UTF8_INVALID},
	    {"\xc3", 1, UTF8_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint32_t character;

		assert_int_equal(utf8_decode(cases[i].text, strlen(cases[i].text), &character),
				 cases[i].size);
		assert_int_equal(character, cases[i].character);
	}
}

static void encodes_utf8(void **state)
{
	(void)state;
	for (uint32_t character = 1; character < 0x110000; character++) {
		char text[UTF8_SIZE_MAX];
		uint32_t decoded;
		size_t size;

		if (character == 0xd800)
			character = 0xe000;
		size = utf8_encode(text, character);
		assert_int_equal(utf8_decode(text, size, &decoded), size);
		assert_int_equal(decoded, character);
	}
}

static void knows_widths(void **state)
{
	(void)state;
	assert_int_equal(unicode_width('a'), 1);
	assert_int_equal(unicode_width(0xe9), 1);
	assert_int_equal(unicode_width(0x301), 0);
	assert_int_equal(unicode_width(0x65e5), 2);
	assert_int_equal(unicode_width(0x1f600), 2);
	assert_int_equal(unicode_width(0x20000), 2);
	assert_int_equal(unicode_width(0x10ffff), 1);
	assert_true(unicode_is_unsafe(0x1b));
	assert_true(unicode_is_unsafe(0x9b));
	assert_true(unicode_is_unsafe(0x202e));
	assert_true(unicode_is_unsafe(0x2028));
	assert_false(unicode_is_unsafe(0x65e5));
	assert_false(unicode_is_unsafe(0xe9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows),
	    cmocka_unit_test(refuses_the_impossible),
	    cmocka_unit_test(writes_numbers),
	    cmocka_unit_test(writes_times),
	    cmocka_unit_test(agrees_with_the_calendar),
	    cmocka_unit_test(reads_no_other_times),
	    cmocka_unit_test(encodes_base64),
	    cmocka_unit_test(decodes_utf8),
	    cmocka_unit_test(encodes_utf8),
	    cmocka_unit_test(knows_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
