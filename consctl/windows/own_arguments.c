/* SPDX-License-Identifier: MIT */
#include "own_arguments.h"
#include "buffer.h"
#include "command_line.h"
#include "wide.h"

#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* Pointers to the strings of `text`, each ended by NUL. */
static char **point_to(char *text, size_t size, int *count)
{
	char **arguments;
	size_t found = 0;

	for (size_t place = 0; place < size; place++)
		found += !text[place];
	arguments = calloc(found + 1, sizeof(*arguments));
	if (!arguments)
		return NULL;
	for (size_t index = 0; index < found; index++) {
		arguments[index] = text;
		text += strlen(text) + 1;
	}
	*count = (int)found;
	return arguments;
}

char **own_arguments(int *count)
{
	const wchar_t *wide = GetCommandLineW();
	char *line = wide_to_utf8(wide, wcslen(wide));
	char *split = line ? malloc(strlen(line) + 1) : NULL;
	char **arguments = NULL;

	if (split)
		arguments = point_to(split, command_line_split(split, line, strlen(line)), count);
	if (!arguments)
		free(split);
	free(line);
	return arguments;
}

/* Within quotes a quote is escaped by a backslash, and so are the backslashes before a quote. */
static void append_quoted(struct buffer *buffer, const char *argument)
{
	size_t backslashes = 0;

	buffer_append_character(buffer, '"');
	for (; *argument; argument++) {
		if (*argument == '\\') {
			backslashes++;
			continue;
		}
		if (*argument == '"')
			backslashes = backslashes * 2 + 1;
		for (; backslashes; backslashes--)
			buffer_append_character(buffer, '\\');
		buffer_append_character(buffer, *argument);
	}
	for (backslashes *= 2; backslashes; backslashes--)
		buffer_append_character(buffer, '\\');
	buffer_append_character(buffer, '"');
}

wchar_t *arguments_join(char *const *arguments)
{
	struct buffer buffer = BUFFER_EMPTY;
	wchar_t *joined = NULL;

	for (char *const *argument = arguments; *argument; argument++) {
		if (argument != arguments)
			buffer_append_character(&buffer, ' ');
		if (**argument && !strpbrk(*argument, " \t\n\v\""))
			buffer_append_text(&buffer, *argument);
		else
			append_quoted(&buffer, *argument);
	}
	buffer_append_character(&buffer, 0);
	if (!buffer.failed)
		joined = wide_from_utf8(buffer.data);
	buffer_free(&buffer);
	return joined;
}
