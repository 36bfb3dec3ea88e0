/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One write(), so that lines of several threads do not mix. */
void service_log(int priority, const char *format, ...)
{
	char line[2048];
	va_list arguments;

	int prefix = snprintf(line, sizeof(line), "<%d>", priority);
	va_start(arguments, format);
	vsnprintf(line + prefix, sizeof(line) - (size_t)prefix - 1, format, arguments);
	va_end(arguments);
	for (char *character = line; *character; character++)
		if ((unsigned char)*character < ' ' || *character == 0x7f)
			*character = *character == '\n' ? ' ' : '?';
	size_t size = strlen(line);
	line[size++] = '\n';
	/* Where even this fails, there is nobody left to tell. */
	if (write(STDERR_FILENO, line, size) < 0)
		return;
}
