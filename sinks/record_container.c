/* SPDX-License-Identifier: MIT */
#include "record_container.h"

#include <string.h>

#define DIGITS	  "0123456789abcdef"
#define ID_LENGTH 64

const char *record_container(const char *cgroup, size_t *length)
{
	const char *found = NULL;

	while (*cgroup) {
		size_t digits = strspn(cgroup, DIGITS);
		if (digits == ID_LENGTH)
			found = cgroup;
		cgroup += digits;
		cgroup += strcspn(cgroup, DIGITS);
	}
	*length = ID_LENGTH;
	return found;
}
