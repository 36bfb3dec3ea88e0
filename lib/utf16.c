/* SPDX-License-Identifier: MIT */
#include "utf16.h"

#include "utf8.h"

#define REPLACEMENT 0xfffd /* U+FFFD */

static uint32_t unit_at(const char *utf16)
{
	return (uint32_t)(unsigned char)utf16[0] | (uint32_t)(unsigned char)utf16[1] << 8;
}

static bool is_first_half(uint32_t unit)
{
	return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_second_half(uint32_t unit)
{
	return unit >= 0xdc00 && unit <= 0xdfff;
}

size_t utf16_to_wtf8(char *out, const char *utf16, size_t size)
{
	const char *end = utf16 + (size & ~(size_t)1);
	char *first = out;

	while (utf16 < end) {
		uint32_t unit = unit_at(utf16);

		utf16 += 2;
		if (unit == 0) {
			*out++ = (char)0xc0;
			*out++ = (char)0x80;
			continue;
		}
		if (is_first_half(unit) && utf16 < end && is_second_half(unit_at(utf16))) {
			unit = 0x10000 + ((unit & 0x3ff) << 10 | (unit_at(utf16) & 0x3ff));
			utf16 += 2;
		}
		out += utf8_encode(out, unit);
	}
	return (size_t)(out - first);
}

size_t wtf8_decode(const char *text, size_t size, uint32_t *character)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (size >= 3 && bytes[0] == 0xed && (bytes[1] & 0xe0) == 0xa0 &&
	    (bytes[2] & 0xc0) == 0x80) {
		*character = 0xd000u | (uint32_t)(bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3f);
		return 3;
	}
	if (size >= 2 && bytes[0] == 0xc0 && bytes[1] == 0x80) {
		*character = 0;
		return 2;
	}
	return utf8_decode(text, size, character);
}

static void append_unit(struct buffer *buffer, uint32_t unit)
{
	buffer_append_character(buffer, (char)(unit & 0xff));
	buffer_append_character(buffer, (char)(unit >> 8));
}

static void append_units(struct buffer *buffer, uint32_t character)
{
	if (character < 0x10000) {
		append_unit(buffer, character);
	} else {
		character -= 0x10000;
		append_unit(buffer, 0xd800 | character >> 10);
		append_unit(buffer, 0xdc00 | (character & 0x3ff));
	}
}

void utf16_append(struct buffer *buffer, const char *text, size_t size)
{
	while (size > 0) {
		uint32_t character;
		size_t taken = wtf8_decode(text, size, &character);

		append_units(buffer, character == UTF8_INVALID ? REPLACEMENT : character);
		text += taken;
		size -= taken;
	}
}

void utf16_append_utf8(struct buffer *buffer, const char *text, size_t size)
{
	while (size > 0) {
		char bytes[UTF8_SIZE_MAX];
		uint32_t character;
		size_t taken = wtf8_decode(text, size, &character);

		if (character == 0 || utf16_is_surrogate(character) || character == UTF8_INVALID)
			character = REPLACEMENT;
		buffer_append(buffer, bytes, utf8_encode(bytes, character));
		text += taken;
		size -= taken;
	}
}
