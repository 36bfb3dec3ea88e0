/* SPDX-License-Identifier: MIT */
#include "consctl.h"
#include "platform.h"

#include <stdarg.h>
#include <stdio.h>

void complain(const char *format, ...)
{
	char text[4096];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	/* Names of files and arguments must not steer the terminal. An expression's error has
	 * lines of its own. */
	for (char *character = text; *character; character++)
		if (((unsigned char)*character < ' ' && *character != '\n') || *character == 0x7f)
			*character = '?';
	say("consctl: %s\n", text);
}

void say(const char *format, ...)
{
	char text[4096 + 16];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	platform_say(text);
}

void complain_library(int error)
{
	const char *explanation = procobsrv_explain();

	complain("%s", *explanation ? explanation : procobsrv_strerror(error));
}
