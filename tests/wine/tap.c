/* SPDX-License-Identifier: MIT */
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGES_MAX 20 /* of one case: the first tell enough */

static unsigned failures; /* of the running case */

static void say(const char *format, va_list arguments)
{
	printf("# ");
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
}

bool check(bool condition, const char *format, ...)
{
	va_list arguments;

	if (condition)
		return true;
	if (failures++ >= MESSAGES_MAX)
		return false;
	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return false;
}

void note(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

int tap_run(const struct tap_case *cases, const char *only)
{
	unsigned number = 0;
	unsigned failed = 0;

	for (const struct tap_case *one = cases; one->name; one++) {
		if (only && strcmp(only, one->name) != 0)
			continue;
		failures = 0;
		one->run();
		number++;
		failed += failures > 0;
		printf("%sok %u - %s\n", failures > 0 ? "not " : "", number, one->name);
		fflush(stdout);
	}
	if (number == 0) {
		printf("# there is no case %s\n", only);
		failed = 1;
	}
	printf("1..%u\n", number);
	return failed > 0;
}
