/* SPDX-License-Identifier: MIT */
#include "json.h"

#include "utf8.h"

#include <string.h>

/* Eight bytes at a time: nearly all strings are plain ASCII and are copied so. */
#define ONES	UINT64_C(0x0101010101010101)
#define HIGHS	UINT64_C(0x8080808080808080)
#define WORD	sizeof(uint64_t)
#define HALF	sizeof(uint32_t)
#define LONGEST 12 /* bytes of one escaped character: a surrogate pair */

/* Non-zero if any byte is below 0x20, above 0x7e, a quote or a backslash. */
static inline uint64_t needs_care(uint64_t word)
{
	uint64_t quote = word ^ ONES * '"';
	uint64_t backslash = word ^ ONES * '\\';

	/*
	 * Each term is exact for words without high bits, or wrong in a byte above a right one
	 * only; words with high bits are caught by the last two.
	 */
	return ((word - ONES * 0x20) | (quote - ONES) | (backslash - ONES) | (word + ONES) | word) &
	       HIGHS;
}

static inline bool byte_needs_care(unsigned char byte)
{
	return byte < 0x20 || byte > 0x7e || byte == '"' || byte == '\\';
}

/* Copies plain bytes from the front; returns how many. `out` has room for all of `size`. */
static inline __attribute__((always_inline)) size_t copy_plain(char *out, const char *text,
							       size_t size)
{
	size_t at = 0;
	uint64_t word;

	for (; at + WORD <= size; at += WORD) {
		memcpy(&word, text + at, WORD);
		if (needs_care(word) != 0)
			break;
		memcpy(out + at, &word, WORD);
	}
	if (size >= HALF && size < WORD) {
		/* Two halves, which may overlap. */
		uint32_t first;
		uint32_t last;

		memcpy(&first, text, HALF);
		memcpy(&last, text + size - HALF, HALF);
		if (needs_care((uint64_t)last << 32 | first) == 0) {
			memcpy(out, &first, HALF);
			memcpy(out + size - HALF, &last, HALF);
			return size;
		}
	}
	if (at + WORD > size && size >= WORD) {
		/* The last bytes, some of them a second time. */
		memcpy(&word, text + size - WORD, WORD);
		if (needs_care(word) == 0) {
			memcpy(out + size - WORD, &word, WORD);
			return size;
		}
	}
	for (; at < size && !byte_needs_care((unsigned char)text[at]); at++)
		out[at] = text[at];
	return at;
}

static char *write_unit(char *out, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*out++ = digits[unit >> shift & 0xf];
	return out;
}

static char *write_escaped(char *out, uint32_t character)
{
	static const char short_names[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
					   ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};

	if (character < sizeof short_names && short_names[character] != 0) {
		*out++ = '\\';
		*out++ = short_names[character];
		return out;
	}
	if (character < 0x10000)
		return write_unit(out, character);
	character -= 0x10000;
	out = write_unit(out, 0xd800 | character >> 10);
	return write_unit(out, 0xdc00 | (character & 0x3ff));
}

/* One character that is not plain; returns the bytes of text it took. */
static size_t append_character(struct buffer *buffer, const char *text, size_t size, bool *valid)
{
	uint32_t character;
	size_t taken = utf8_decode(text, size, &character);

	if (!buffer_reserve(buffer, LONGEST))
		return taken;
	char *out = buffer->data + buffer->size;

	if (character == UTF8_INVALID) {
		*valid = false;
		out += utf8_encode(out, 0xfffd);
	} else if (character == '"' || character == '\\' || unicode_is_unsafe(character)) {
		out = write_escaped(out, character);
	} else {
		memcpy(out, text, taken);
		out += taken;
	}
	buffer->size = (size_t)(out - buffer->data);
	return taken;
}

static void append_rest(struct buffer *buffer, const char *text, size_t size, bool *valid)
{
	while (size > 0) {
		size_t taken = append_character(buffer, text, size, valid);

		text += taken;
		size -= taken;
		if (!buffer_reserve(buffer, size + 1))
			return;
		taken = copy_plain(buffer->data + buffer->size, text, size);
		buffer->size += taken;
		text += taken;
		size -= taken;
	}
}

char *json_write_string(struct buffer *buffer, char *out, const char *text, size_t size,
			bool *valid)
{
	*out++ = '"';

	size_t plain = copy_plain(out, text, size);

	out += plain;
	if (plain < size) {
		buffer->size = (size_t)(out - buffer->data);
		append_rest(buffer, text + plain, size - plain, valid);
		if (!buffer_reserve(buffer, 1))
			return NULL;
		out = buffer->data + buffer->size;
	}
	*out++ = '"';
	return out;
}

bool json_append_string(struct buffer *buffer, const char *text)
{
	size_t size = strlen(text);
	bool valid = true;
	char *out;

	if (!buffer_reserve(buffer, size + 2))
		return true;
	out = json_write_string(buffer, buffer->data + buffer->size, text, size, &valid);
	if (out != NULL)
		buffer->size = (size_t)(out - buffer->data);
	return valid;
}

bool json_append_strings(struct buffer *buffer, const char *const *texts, size_t count)
{
	bool valid = true;

	buffer_append_character(buffer, '[');
	for (size_t at = 0; at < count; at++) {
		if (at > 0)
			buffer_append_character(buffer, ',');
		if (!json_append_string(buffer, texts[at]))
			valid = false;
	}
	buffer_append_character(buffer, ']');
	return valid;
}
