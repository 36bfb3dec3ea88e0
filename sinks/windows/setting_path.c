/* SPDX-License-Identifier: MIT */
#include "setting_path.h"

static bool is_separator(char character)
{
	return character == '\\' || character == '/';
}

static bool is_letter(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

/* C:\x, and what begins with two backslashes: a pipe, or another machine's. */
bool setting_path_is_absolute(const char *path)
{
	return (is_letter(path[0]) && path[1] == ':' && is_separator(path[2])) ||
	       (path[0] == '\\' && path[1] == '\\');
}
