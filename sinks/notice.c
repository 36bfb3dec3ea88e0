/* SPDX-License-Identifier: MIT */
#include "notice.h"

#include <stdarg.h>
#include <stdio.h>

static void (*taker)(const char *line);

void notice(const char *format, ...)
{
	char line[NOTICE_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (taker)
		taker(line);
	else
		fprintf(stderr, "%s\n", line);
}

void notice_to(void (*take)(const char *line))
{
	taker = take;
}
