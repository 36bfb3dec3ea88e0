/* SPDX-License-Identifier: MIT */
/* Values of the configuration: from the text of a scalar to what a sink works with. */
#ifndef PROCOBSRV_SINKS_SETTING_H
#define PROCOBSRV_SINKS_SETTING_H

#include "sink.h"

/*
 * Reads `text` as the setting wants it into value->text or value->number, and marks it as set;
 * value->text borrows. Not for lists. ARGUMENT with error_set(): what it must be; *value is
 * untouched then.
 */
int setting_parse(const struct setting *setting, const char *text, struct setting_value *value);

/* The index of the setting of that name; -1: there is none. */
int setting_find(const struct setting *settings, const char *name);

#endif
