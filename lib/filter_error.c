/* SPDX-License-Identifier: MIT */
/* What is wrong with an expression, and where. */
#include "filter_program.h"

#include "buffer.h"
#include "error.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* Characters of the expression that are shown before and after the place. */
#define SHOWN_BEFORE 40
#define SHOWN_AFTER  30

#define MESSAGE_SIZE 200
#define EXCERPT_SIZE ((SHOWN_BEFORE + SHOWN_AFTER + 8) * UTF8_SIZE_MAX)
#define CARET_SIZE   ((SHOWN_BEFORE + 8) * 2)

struct excerpt {
	char text[EXCERPT_SIZE];
	size_t size;
	size_t width;
};

static void add_character(struct excerpt *excerpt, uint32_t character)
{
	if (character == UTF8_INVALID || unicode_is_unsafe(character) ||
	    unicode_width(character) == 0)
		character = '?';
	excerpt->size += utf8_encode(excerpt->text + excerpt->size, character);
	excerpt->width += unicode_width(character);
}

static void add_dots(struct excerpt *excerpt)
{
	for (int dots = 0; dots < 3; dots++)
		add_character(excerpt, '.');
}

static size_t column_of(const struct filter_parser *parser, size_t offset)
{
	size_t column = 1;
	uint32_t character;

	for (size_t at = 0; at < offset; column++)
		at += utf8_decode(parser->text + at, parser->size - at, &character);
	return column;
}

/* The expression around a column; returns how far right the column is, in columns of a terminal. */
static size_t show(const struct filter_parser *parser, size_t column, struct excerpt *excerpt)
{
	size_t first = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 1;
	size_t caret = 0;
	size_t at = 0;
	size_t here = 1;

	if (first > 1)
		add_dots(excerpt);
	for (; at < parser->size && here < column + SHOWN_AFTER; here++) {
		uint32_t character;

		if (here == column)
			caret = excerpt->width;
		at += utf8_decode(parser->text + at, parser->size - at, &character);
		if (here >= first)
			add_character(excerpt, character);
	}
	if (here <= column)
		caret = excerpt->width;
	if (at < parser->size)
		add_dots(excerpt);
	return caret;
}

void filter_fail(struct filter_parser *parser, size_t offset, const char *format, ...)
{
	char message[MESSAGE_SIZE];
	struct excerpt excerpt = {.size = 0};
	va_list arguments;
	size_t column;
	size_t caret;

	if (parser->error != 0)
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);

	column = column_of(parser, offset);
	caret = show(parser, column, &excerpt);
	parser->error = error_set(PROCOBSRV_ERROR_EXPRESSION, "column %zu: %s\n%.*s\n%*s", column,
				  message, (int)excerpt.size, excerpt.text, (int)caret + 1, "^");
	parser->at = parser->size;
}

void filter_fail_memory(struct filter_parser *parser)
{
	if (parser->error == 0)
		parser->error = error_set(PROCOBSRV_ERROR_MEMORY,
					  "cannot compile the match expression: out of memory");
	parser->at = parser->size;
}

const char *filter_quote(char quote[FILTER_QUOTE_SIZE], const char *text, size_t size)
{
	size_t out = 0;
	size_t at = 0;

	while (at < size && out + UTF8_SIZE_MAX < FILTER_QUOTE_SIZE) {
		uint32_t character;

		at += utf8_decode(text + at, size - at, &character);
		if (character == UTF8_INVALID || unicode_is_unsafe(character))
			character = '?';
		out += utf8_encode(quote + out, character);
	}
	quote[out] = 0;
	return quote;
}
