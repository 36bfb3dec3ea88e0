/* SPDX-License-Identifier: MIT */
#include "setting_path.h"

bool setting_path_is_absolute(const char *path)
{
	return *path == '/';
}
