/* SPDX-License-Identifier: MIT */
/* Finds what somebody may have meant. */
#include "consctl.h"
#include "nearest.h"

#include <string.h>

const char *nearest_name(const char *text, const char *const *names)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *names; names++) {
		size_t size = strlen(text);
		size_t found = nearest_edits(text, size, *names, strlen(*names));

		/* The beginning of a name is near however short it is. */
		if (size && !strncmp(text, *names, size))
			found = 1;
		if (found < best) {
			best = found;
			nearest = *names;
		}
	}
	return nearest;
}
