/* SPDX-License-Identifier: MIT */
#include "record_cursor.h"

#include "hex.h"

#include <stdlib.h>

static bool parse_number(const char **text, uint64_t *number)
{
	const char *begin = *text;
	uint64_t value = 0;

	for (; **text; ++*text) {
		char digit = **text;
		if (digit >= '0' && digit <= '9')
			value = value << 4 | (uint64_t)(digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			value = value << 4 | (uint64_t)(digit - 'a' + 10);
		else
			break;
	}
	*number = value;
	return *text > begin && *text - begin <= 16;
}

struct record_cursor record_cursor_parse(const char *text)
{
	struct record_cursor cursor = {0};
	uint64_t number;

	if (!text || !parse_number(&text, &cursor.stream) || *text++ != ':' ||
	    !parse_number(&text, &cursor.position))
		return (struct record_cursor){0};
	cursor.sort = *text;
	if (cursor.sort == ':')
		cursor.sort = '\0';
	else if (cursor.sort && (text++, !parse_number(&text, &number)))
		return (struct record_cursor){0};
	cursor.has_lost = *text == ':';
	if (cursor.has_lost && (text++, !parse_number(&text, &cursor.lost)))
		return (struct record_cursor){0};
	if (*text)
		return (struct record_cursor){0};
	cursor.known = true;
	return cursor;
}

void record_cursor_write(const struct record_cursor *cursor, char text[RECORD_CURSOR_SIZE])
{
	char *end = hex_append(text, cursor->stream);

	*end++ = ':';
	end = hex_append(end, cursor->position);
	if (cursor->has_lost) {
		*end++ = ':';
		end = hex_append(end, cursor->lost);
	}
	*end = '\0';
}

bool record_cursor_is_repeat(const struct record_cursor *cursor, const struct record_cursor *last)
{
	if (!cursor->known || !last->known || cursor->stream != last->stream ||
	    cursor->position > last->position)
		return false;
	switch (cursor->sort) {
	case '\0': /* its own record */
	case 'l':  /* a gap before that record */
		return true;
	case 't': /* a gap after it */
		return cursor->position < last->position;
	default:
		return false;
	}
}
