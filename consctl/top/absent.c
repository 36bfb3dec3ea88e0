/* SPDX-License-Identifier: MIT */
/* In place of the rest of this folder, where consctl was built without ncurses. */
#include "../consctl.h"

int top_run(const struct settings *settings)
{
	(void)settings;
	complain(
	    "this consctl was built without ncurses, which top draws with; 'consctl watch' and "
	    "'consctl tree' need none");
	return STATUS_FAILED;
}
