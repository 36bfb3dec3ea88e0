/* SPDX-License-Identifier: MIT */
#include "resident.h"

const char *resident_directory(void)
{
	return "/run/procobsrv";
}
