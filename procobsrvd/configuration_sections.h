/* SPDX-License-Identifier: MIT */
/* The sections of the configuration: which settings each has, and what comes of their values. */
#ifndef PROCOBSRVD_CONFIGURATION_SECTIONS_H
#define PROCOBSRVD_CONFIGURATION_SECTIONS_H

#include "configuration_mapping.h"

/* Each fills its part of *configuration from the value of its section, and complains. */
void section_observer(struct reading *reading, const struct configuration_node *node,
		      struct configuration *configuration);
void section_readers(struct reading *reading, const struct configuration_node *node,
		     struct configuration *configuration);
void section_metrics(struct reading *reading, const struct configuration_node *node,
		     struct configuration *configuration);

/* What holds where the section is absent. */
void section_observer_initial(struct reading *reading, struct configuration *configuration);

/* One sink; `number` counts those of its section from 1. */
void section_sink(struct reading *reading, const struct configuration_node *node,
		  const struct sink_operations *operations, size_t number,
		  struct configuration_sink *sink);

/* Sections that only other systems have, ended by NULL; one list per OS folder. */
extern const char *const configuration_elsewhere[];

#endif
