/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void service_log(enum log_priority priority, const char *format, ...)
{
	char line[2048];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	for (char *character = line; *character; character++)
		if ((unsigned char)*character < ' ' || *character == 0x7f)
			*character = *character == '\n' ? ' ' : '?';
	log_write(priority, line);
}
