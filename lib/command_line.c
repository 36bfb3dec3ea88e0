/* SPDX-License-Identifier: MIT */
#include "command_line.h"

#include <stdbool.h>
#include <string.h>

struct splitter {
	const char *cursor;
	const char *end;
	char *out;
};

static bool is_blank(char character)
{
	return character == ' ' || character == '\t';
}

static bool at_quote(const struct splitter *splitter)
{
	return splitter->cursor < splitter->end && *splitter->cursor == '"';
}

static void skip_blanks(struct splitter *splitter)
{
	while (splitter->cursor < splitter->end && is_blank(*splitter->cursor))
		splitter->cursor++;
}

static void split_name(struct splitter *splitter)
{
	bool quoted = false;

	for (; splitter->cursor < splitter->end; splitter->cursor++) {
		char character = *splitter->cursor;

		if (character == '"')
			quoted = !quoted;
		else if (is_blank(character) && !quoted)
			break;
		else
			*splitter->out++ = character;
	}
	*splitter->out++ = '\0';
}

/*
 * Takes a run of backslashes, if there is one, and what the quote after it then means; returns
 * whether that quote, at the cursor now, is a part of the argument.
 */
static bool take_backslashes(struct splitter *splitter)
{
	size_t count = 0;

	while (splitter->cursor < splitter->end && *splitter->cursor == '\\') {
		splitter->cursor++;
		count++;
	}

	bool literal = at_quote(splitter) && count % 2 != 0;

	if (at_quote(splitter))
		count /= 2;
	memset(splitter->out, '\\', count);
	splitter->out += count;
	return literal;
}

static void split_argument(struct splitter *splitter)
{
	bool quoted = false;

	for (;;) {
		bool literal = take_backslashes(splitter);

		if (splitter->cursor == splitter->end || (!quoted && is_blank(*splitter->cursor)))
			break;
		if (!literal && at_quote(splitter)) {
			splitter->cursor++;
			if (!quoted || !at_quote(splitter)) {
				quoted = !quoted;
				continue;
			}
		}
		*splitter->out++ = *splitter->cursor++;
	}
	*splitter->out++ = '\0';
}

/* Where the program believes that the line ends. */
static const char *find_end(const char *line, size_t size)
{
	const char *end = line + size;

	for (const char *at = line; (at = memchr(at, 0xc0, (size_t)(end - at))) != NULL; at++)
		if (at + 1 < end && (unsigned char)at[1] == 0x80)
			return at;
	return end;
}

size_t command_line_split(char *out, const char *line, size_t size)
{
	struct splitter splitter = {line, size > 0 ? find_end(line, size) : line, out};

	if (splitter.cursor == splitter.end)
		return 0;
	split_name(&splitter);
	skip_blanks(&splitter);
	while (splitter.cursor < splitter.end) {
		split_argument(&splitter);
		skip_blanks(&splitter);
	}
	return (size_t)(splitter.out - out);
}
