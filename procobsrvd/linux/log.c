/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdio.h>
#include <unistd.h>

/* One write(), so that lines of several threads do not mix. */
void log_write(enum log_priority priority, const char *line)
{
	char text[2048 + 8];
	int size = snprintf(text, sizeof(text), "<%d>%s\n", (int)priority, line);

	/* Where even this fails, there is nobody left to tell. */
	if (size > 0 && write(STDERR_FILENO, text, (size_t)size) < 0)
		return;
}
