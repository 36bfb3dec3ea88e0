/* SPDX-License-Identifier: MIT */
/* What a path is: one implementation per OS folder. */
#ifndef PROCOBSRV_SINKS_SETTING_PATH_H
#define PROCOBSRV_SINKS_SETTING_PATH_H

#include <stdbool.h>

/* Whether it leads to the same place wherever the service runs. */
bool setting_path_is_absolute(const char *path);

#endif
