/* SPDX-License-Identifier: MIT */
#include "user_id.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>

bool user_id_find(const char *user, uint32_t *uid)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char buffer[16384];
	unsigned long number;
	char *end;

	if (!getpwnam_r(user, &entry, buffer, sizeof(buffer), &found) && found) {
		*uid = found->pw_uid;
		return true;
	}
	errno = 0;
	number = *user >= '0' && *user <= '9' ? strtoul(user, &end, 10) : UINT32_MAX;
	/* The last one stands for nobody. */
	if (number >= UINT32_MAX || errno || *end)
		return false;
	*uid = (uint32_t)number;
	return true;
}
