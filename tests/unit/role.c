/* SPDX-License-Identifier: MIT */
#include "ground.h"

#include <stdlib.h>
#include <string.h>

void role_play_if_asked(int argc, char **argv, const struct role *roles)
{
	if (argc != 4 || strcmp(argv[1], "--role") != 0)
		return;
	for (; roles->name; roles++)
		if (strcmp(roles->name, argv[2]) == 0)
			exit(roles->play(argv[3]));
	exit(127);
}
