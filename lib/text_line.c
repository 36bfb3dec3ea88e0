/* SPDX-License-Identifier: MIT */
#include "text_line.h"

#include "text_number.h"
#include "utf16.h"
#include "utf8.h"

#include <string.h>

/* More marks than scripts stack on one letter are an attempt to paint over other lines. */
#define MARKS_MAX 4

#define UNIT_SIZE_MAX 16 /* bytes of one escaped character: $'' needs \xHH four times */

/* Takes all of it or nothing: a character or an escape is never split. */
static void append_unit(struct text_line *line, const char *unit, size_t size, size_t width)
{
	if (line->full)
		return;
	if (width > line->columns - line->used) {
		line->full = true;
		return;
	}
	buffer_append(line->buffer, unit, size);
	line->used += width;
}

void text_line_append(struct text_line *line, const char *ascii)
{
	size_t size = strlen(ascii);

	if (line->full)
		return;
	if (size > line->columns - line->used) {
		size = line->columns - line->used;
		line->full = true;
	}
	buffer_append(line->buffer, ascii, size);
	line->used += size;
	line->marks = MARKS_MAX; /* a mark may not sit on our text */
}

void text_line_append_unsigned(struct text_line *line, uint64_t value)
{
	char digits[TEXT_NUMBER_SIZE + 1];

	*text_write_unsigned(digits, value) = 0;
	text_line_append(line, digits);
}

static char *write_hex_byte(char *out, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";

	*out++ = '\\';
	*out++ = 'x';
	*out++ = digits[byte >> 4];
	*out++ = digits[byte & 0xf];
	return out;
}

/* \n, \t, \r, \xHH for one byte; 0: it has no such form. */
static char control_letter(uint32_t character)
{
	switch (character) {
	case '\n':
		return 'n';
	case '\t':
		return 't';
	case '\r':
		return 'r';
	default:
		return 0;
	}
}

static char *write_bytes(char *out, const char *text, size_t size)
{
	for (size_t at = 0; at < size; at++)
		out = write_hex_byte(out, (unsigned char)text[at]);
	return out;
}

/* \u{HHHH}, at least four digits */
static char *write_braces(char *out, uint32_t character)
{
	static const char digits[] = "0123456789abcdef";

	memcpy(out, "\\u{", 3);
	out += 3;
	for (int shift = 20; shift >= 0; shift -= 4) {
		if (shift < 16 || character >> shift != 0)
			*out++ = digits[character >> shift & 0xf];
	}
	*out++ = '}';
	return out;
}

struct character {
	uint32_t value; /* UTF8_INVALID */
	size_t size;
	unsigned width;
	bool plain; /* may be shown as it is */
};

/* Width, and whether it may be shown: one that is beside others is another matter than alone. */
static void classify(struct text_line *line, struct character *character)
{
	character->width = 0;
	character->plain = character->value != UTF8_INVALID && !unicode_is_unsafe(character->value);
	if (!character->plain)
		return;
	character->width = unicode_width(character->value);
	if (character->width > 0)
		line->marks = 0;
	else if (line->marks >= MARKS_MAX)
		character->plain = false;
	else
		line->marks++;
}

static struct character next_character(struct text_line *line, const char *text, size_t size)
{
	struct character character;

	character.size = utf8_decode(text, size, &character.value);
	classify(line, &character);
	return character;
}

/* How many bytes from the front are printable ASCII but `special`: these need no look each. */
static size_t plain_run(const char *text, size_t size, const char *special)
{
	size_t at = 0;

	while (at < size && text[at] >= 0x20 && text[at] < 0x7f && text[at] != special[0] &&
	       text[at] != special[1])
		at++;
	return at;
}

static size_t append_run(struct text_line *line, const char *text, size_t size, const char *special)
{
	size_t run = plain_run(text, size, special);
	size_t fits = line->columns - line->used < run ? line->columns - line->used : run;

	if (run == 0 || line->full)
		return run;
	append_unit(line, text, fits, fits);
	line->full = fits < run;
	line->marks = 0;
	return run;
}

static void append_one_escaped(struct text_line *line, const char *text,
			       const struct character *character)
{
	char unit[UNIT_SIZE_MAX];
	char *out = unit;

	if (character->plain && character->value != '\\') {
		append_unit(line, text, character->size, character->width);
		return;
	}
	if (character->value == '\\' || control_letter(character->value) != 0) {
		*out++ = '\\';
		*out++ = character->value == '\\' ? '\\' : control_letter(character->value);
	} else if (character->value == UTF8_INVALID || character->value < 0x80) {
		out = write_bytes(out, text, character->size);
	} else {
		out = write_braces(out, character->value);
	}
	append_unit(line, unit, (size_t)(out - unit), (size_t)(out - unit));
	line->marks = MARKS_MAX;
}

void text_line_append_escaped(struct text_line *line, const char *text)
{
	size_t size = strlen(text);

	line->marks = MARKS_MAX;
	while (size > 0 && !line->full) {
		size_t taken = append_run(line, text, size, "\\\\");

		text += taken;
		size -= taken;
		if (size == 0)
			break;
		struct character character = next_character(line, text, size);

		append_one_escaped(line, text, &character);
		text += character.size;
		size -= character.size;
	}
}

static void append_one_wide(struct text_line *line, const char *text,
			    const struct character *character)
{
	char unit[UNIT_SIZE_MAX];
	char *out = unit;

	if (character->plain) {
		append_unit(line, text, character->size, character->width);
		return;
	}
	if (control_letter(character->value) != 0) {
		*out++ = '\\';
		*out++ = control_letter(character->value);
	} else if (character->value == UTF8_INVALID) {
		out = write_bytes(out, text, character->size);
	} else {
		out = write_braces(out, character->value);
	}
	append_unit(line, unit, (size_t)(out - unit), (size_t)(out - unit));
	line->marks = MARKS_MAX;
}

void text_line_append_wide(struct text_line *line, const char *text)
{
	size_t size = strlen(text);

	line->marks = MARKS_MAX;
	while (size > 0 && !line->full) {
		struct character character;
		size_t taken = append_run(line, text, size, "\x7f\x7f"); /* none is special */

		text += taken;
		size -= taken;
		if (size == 0)
			break;
		character.size = wtf8_decode(text, size, &character.value);
		classify(line, &character);
		if (utf16_is_surrogate(character.value))
			character.plain = false;
		append_one_wide(line, text, &character);
		text += character.size;
		size -= character.size;
	}
}

enum quoting {
	QUOTING_NONE,
	QUOTING_SINGLE, /* '...' */
	QUOTING_DOLLAR, /* $'...', which knows escapes */
};

static bool is_bare(uint32_t character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') ||
	       (character < 0x80 && strchr("_@%+=:,./-", (int)character) != NULL) ||
	       (character >= 0x80 && !unicode_is_space(character));
}

/* How a text must be quoted. Reads no further than to the first character that decides it. */
static enum quoting quoting_of(struct text_line *line, const char *text, size_t size)
{
	enum quoting quoting = size == 0 ? QUOTING_SINGLE : QUOTING_NONE;

	line->marks = MARKS_MAX;
	while (size > 0) {
		struct character character = next_character(line, text, size);

		if (!character.plain || character.value == '\\' || character.value == '\'')
			return QUOTING_DOLLAR;
		if (!is_bare(character.value))
			quoting = QUOTING_SINGLE;
		text += character.size;
		size -= character.size;
	}
	return quoting;
}

/* Within $'...': everything odd as bytes, which a shell reads back exactly. */
static void append_one_quoted(struct text_line *line, const char *text,
			      const struct character *character)
{
	char unit[UNIT_SIZE_MAX];
	char *out = unit;

	if (character->plain && character->value != '\\' && character->value != '\'') {
		append_unit(line, text, character->size, character->width);
		return;
	}
	if (character->plain || control_letter(character->value) != 0) {
		*out++ = '\\';
		*out++ = character->plain ? text[0] : control_letter(character->value);
	} else {
		out = write_bytes(out, text, character->size);
	}
	append_unit(line, unit, (size_t)(out - unit), (size_t)(out - unit));
	line->marks = MARKS_MAX;
}

void text_line_append_quoted(struct text_line *line, const char *text)
{
	size_t size = strlen(text);
	enum quoting quoting;

	if (line->full)
		return;
	quoting = quoting_of(line, text, size);
	line->marks = MARKS_MAX;
	if (quoting == QUOTING_SINGLE)
		append_unit(line, "'", 1, 1);
	else if (quoting == QUOTING_DOLLAR)
		append_unit(line, "$'", 2, 2);
	while (size > 0 && !line->full) {
		size_t taken = append_run(line, text, size, "\\'");

		text += taken;
		size -= taken;
		if (size == 0)
			break;
		struct character character = next_character(line, text, size);

		append_one_quoted(line, text, &character);
		text += character.size;
		size -= character.size;
	}
	if (quoting != QUOTING_NONE)
		append_unit(line, "'", 1, 1);
}

void text_line_pad(struct text_line *line, size_t column)
{
	do
		append_unit(line, " ", 1, 1);
	while (!line->full && line->used < column);
}

void text_line_begin_style(struct text_line *line, const char *sequence)
{
	if (line->full)
		return;
	buffer_append_text(line->buffer, sequence);
	line->styled = true;
}

void text_line_end_style(struct text_line *line)
{
	/* Also when the line is full: a style must not run into the next one. */
	if (line->styled)
		buffer_append_text(line->buffer, "\033[0m");
	line->styled = false;
}
