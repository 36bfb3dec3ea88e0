/* SPDX-License-Identifier: MIT */
/* A mapping of the configuration read by tables of settings; what all of its readers share. */
#ifndef PROCOBSRVD_CONFIGURATION_MAPPING_H
#define PROCOBSRVD_CONFIGURATION_MAPPING_H

#include "configuration.h"

#include <yaml.h>

struct complaint {
	unsigned line;
	unsigned column;
	size_t number; /* as it was found */
	char *text;
};

/* While a file is read. */
struct reading {
	yaml_document_t *document;
	struct complaint *complaints; /* what is wrong, as it was found */
	size_t complaint_count;
	bool no_memory;			     /* nothing more is of use */
	struct configuration_block **blocks; /* what was allocated, for the configuration to free */
};

struct configuration_block {
	struct configuration_block *next;
	max_align_t content[];
};

/* Zeroed memory that goes with the configuration. NULL: none, which is noted. */
void *reading_allocate(struct reading *reading, size_t count, size_t size);
/* Likewise, a copy of a text. */
const char *reading_copy(struct reading *reading, const char *text);

/* Tells what is wrong in the order of the file, and forgets it. */
void reading_tell(struct reading *reading, configuration_complain tell, void *param);

void reading_complain(struct reading *reading, unsigned line, unsigned column, const char *format,
		      ...) __attribute__((format(printf, 4, 5)));
void reading_complain_at(struct reading *reading, const yaml_node_t *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void reading_complain_value(struct reading *reading, const struct setting_value *value,
			    const char *format, ...) __attribute__((format(printf, 3, 4)));

unsigned reading_line(const yaml_node_t *node);
unsigned reading_column(const yaml_node_t *node);

/* The text of a scalar; NULL, and a complaint that it must be `form`: it is none. */
const char *reading_scalar(struct reading *reading, const yaml_node_t *node, const char *form);

/* Nothing stands where the value should: "journal:" alone. */
bool reading_is_empty(const yaml_node_t *node);

/* What of `names` (ended by NULL) somebody may have meant; NULL: nothing is near. */
const char *reading_nearest(const char *text, const char *const *names);

/* A table of settings, ended by one without a name, and where their values go. */
struct settings_table {
	const struct setting *settings;
	struct setting_value *values; /* filled by reading_mapping() */
};

/*
 * Reads the mapping `node` (or nothing) of the section `section`; each key is a setting of one of
 * the tables. Values that are not set get their initial ones. Complains of what is wrong.
 */
void reading_mapping(struct reading *reading, const char *section, const yaml_node_t *node,
		     struct settings_table *tables, size_t table_count);

#endif
