/* SPDX-License-Identifier: MIT */
/* The configuration as it was written, and a mapping of it read by tables of settings; what all of
 * its readers share. */
#ifndef PROCOBSRVD_CONFIGURATION_MAPPING_H
#define PROCOBSRVD_CONFIGURATION_MAPPING_H

#include "configuration.h"

enum configuration_node_type { CONFIGURATION_TEXT, CONFIGURATION_LIST, CONFIGURATION_MAPPING };

/* A value as it was written, with what is in it. One may be in several places. */
struct configuration_node {
	enum configuration_node_type type;
	unsigned line; /* from 1 */
	unsigned column;
	const char *text; /* of a text; followed by a NUL */
	size_t length;	  /* of it: NULs may be within, too */
	bool plain;	  /* it was not quoted, and may stand for nothing */
	size_t count;	  /* of items, or of pairs of keys and values */
	const struct configuration_node **items;
	const struct configuration_node **keys;
	const struct configuration_node **values;
};

struct complaint {
	unsigned line;
	unsigned column;
	size_t number; /* as it was found */
	char *text;
};

/* While a file is read. */
struct reading {
	struct complaint *complaints; /* what is wrong, as it was found */
	size_t complaint_count;
	bool no_memory;			     /* nothing more is of use */
	struct configuration_block **blocks; /* what was allocated, for the configuration to free */
};

struct configuration_block {
	struct configuration_block *next;
	max_align_t content[];
};

/* Reads what was written; of what is wrong it complains. False: there is nothing to look at; or
 * *root, which stays NULL if nothing is written. */
typedef bool (*configuration_load)(struct reading *reading, void *from,
				   const struct configuration_node **root);

/*
 * What of it is right as a whole becomes a configuration; `sinks`, ended by NULL, are the sections
 * that there may be. Results as those of configuration_read().
 */
int configuration_make(const char *name, configuration_load load, void *from,
		       const struct sink_operations *const *sinks, configuration_complain complain,
		       void *param, const struct configuration **configuration);

/* Zeroed memory that goes with the configuration. NULL: none, which is noted. */
void *reading_allocate(struct reading *reading, size_t count, size_t size);
/* Likewise, a copy of a text. */
const char *reading_copy(struct reading *reading, const char *text);

/* Tells what is wrong in the order of the file, and forgets it. */
void reading_tell(struct reading *reading, configuration_complain tell, void *param);

void reading_complain(struct reading *reading, unsigned line, unsigned column, const char *format,
		      ...) __attribute__((format(PRINTF_FORMAT, 4, 5)));
void reading_complain_at(struct reading *reading, const struct configuration_node *node,
			 const char *format, ...) __attribute__((format(PRINTF_FORMAT, 3, 4)));
void reading_complain_value(struct reading *reading, const struct setting_value *value,
			    const char *format, ...) __attribute__((format(PRINTF_FORMAT, 3, 4)));

/* The text of a scalar; NULL, and a complaint that it must be `form`: it is none. */
const char *reading_scalar(struct reading *reading, const struct configuration_node *node,
			   const char *form);

/* Nothing stands where the value should: "journal:" alone. */
bool reading_is_empty(const struct configuration_node *node);

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
void reading_mapping(struct reading *reading, const char *section,
		     const struct configuration_node *node, struct settings_table *tables,
		     size_t table_count);

#endif
