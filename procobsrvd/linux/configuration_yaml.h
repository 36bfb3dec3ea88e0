/* SPDX-License-Identifier: MIT */
/* The configuration as a file of YAML. */
#ifndef PROCOBSRVD_CONFIGURATION_YAML_H
#define PROCOBSRVD_CONFIGURATION_YAML_H

#include "configuration.h"

#define CONFIGURATION_FILE "/etc/procobsrv/procobsrvd.conf"

/* configuration_read() with `size` bytes of YAML, which messages call `file`. */
int configuration_parse(const char *file, const char *text, size_t size,
			const struct sink_operations *const *sinks, configuration_complain complain,
			void *param, const struct configuration **configuration);

#endif
