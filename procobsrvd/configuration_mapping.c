/* SPDX-License-Identifier: MIT */
#include "configuration_mapping.h"

#include "error.h"
#include "nearest.h"
#include "setting.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64 /* settings of all tables of a section */

void *reading_allocate(struct reading *reading, size_t count, size_t size)
{
	struct configuration_block *block = calloc(1, sizeof(*block) + count * size);

	if (!block) {
		reading->no_memory = true;
		return NULL;
	}
	block->next = *reading->blocks;
	*reading->blocks = block;
	return block->content;
}

const char *reading_copy(struct reading *reading, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = reading_allocate(reading, 1, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

static void complain(struct reading *reading, unsigned line, unsigned column, const char *format,
		     va_list arguments) __attribute__((format(PRINTF_FORMAT, 4, 0)));

static void complain(struct reading *reading, unsigned line, unsigned column, const char *format,
		     va_list arguments)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, arguments);
	/* Values may hold anything; a complaint is one line that steers no terminal. */
	for (char *character = text; *character; character++)
		if ((unsigned char)*character < ' ' || *character == 0x7f)
			*character = '?';
	size_t size = (reading->complaint_count + 1) * sizeof(*reading->complaints);
	struct complaint *grown = realloc(reading->complaints, size);
	char *copy = strdup(text);
	if (grown)
		reading->complaints = grown;
	if (!grown || !copy) {
		free(copy);
		reading->no_memory = true;
		return;
	}
	grown[reading->complaint_count] =
	    (struct complaint){line, column, reading->complaint_count, copy};
	reading->complaint_count++;
}

static int compare_complaints(const void *left, const void *right)
{
	const struct complaint *one = left, *other = right;

	if (one->line != other->line)
		return one->line < other->line ? -1 : 1;
	if (one->column != other->column)
		return one->column < other->column ? -1 : 1;
	return one->number < other->number ? -1 : 1;
}

void reading_tell(struct reading *reading, configuration_complain tell, void *param)
{
	if (reading->complaint_count)
		qsort(reading->complaints, reading->complaint_count, sizeof(*reading->complaints),
		      compare_complaints);
	for (size_t index = 0; index < reading->complaint_count; index++) {
		const struct complaint *complaint = &reading->complaints[index];
		tell(complaint->line, complaint->column, complaint->text, param);
		free(complaint->text);
	}
	free(reading->complaints);
	reading->complaints = NULL;
	reading->complaint_count = 0;
}

void reading_complain(struct reading *reading, unsigned line, unsigned column, const char *format,
		      ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(reading, line, column, format, arguments);
	va_end(arguments);
}

void reading_complain_at(struct reading *reading, const struct configuration_node *node,
			 const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(reading, node->line, node->column, format, arguments);
	va_end(arguments);
}

void reading_complain_value(struct reading *reading, const struct setting_value *value,
			    const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	complain(reading, value->line, value->column, format, arguments);
	va_end(arguments);
}

const char *reading_scalar(struct reading *reading, const struct configuration_node *node,
			   const char *form)
{
	if (node->type != CONFIGURATION_TEXT) {
		reading_complain_at(reading, node, "this is a %s; it must be %s",
				    node->type == CONFIGURATION_MAPPING ? "mapping" : "list", form);
		return NULL;
	}
	if (strlen(node->text) != node->length) {
		reading_complain_at(reading, node, "a NUL byte is in this; it must be %s", form);
		return NULL;
	}
	return node->text;
}

bool reading_is_empty(const struct configuration_node *node)
{
	return node->type == CONFIGURATION_TEXT && node->plain &&
	       (!*node->text || !strcmp(node->text, "~") || !strcmp(node->text, "null"));
}

const char *reading_nearest(const char *text, const char *const *names)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *names; names++) {
		size_t edits = nearest_edits(text, strlen(text), *names, strlen(*names));
		if (edits < best) {
			best = edits;
			nearest = *names;
		}
	}
	return nearest;
}

/* ---- values ---- */

static void read_list(struct reading *reading, const struct configuration_node *node,
		      const struct setting *setting, struct setting_value *value)
{
	if (node->type != CONFIGURATION_LIST) {
		reading_complain_at(reading, node, "%s: this must be a list: [one, two]",
				    setting->name);
		return;
	}
	const char **list = reading_allocate(reading, node->count + 1, sizeof(*list));

	if (!node->count)
		reading_complain_at(reading, node, "%s: this list must have at least one entry",
				    setting->name);
	for (size_t index = 0; list && index < node->count; index++) {
		const struct configuration_node *item = node->items[index];
		const char *text = reading_scalar(reading, item, "some text");
		if (text && !*text)
			reading_complain_at(reading, item,
					    "%s: an entry is empty; it must be some text",
					    setting->name);
		list[index] = text ? text : "";
	}
	value->list = list;
	value->count = list ? node->count : 0;
	value->set = true;
}

static void read_value(struct reading *reading, const struct configuration_node *node,
		       const struct setting *setting, struct setting_value *value)
{
	value->line = node->line;
	value->column = node->column;
	if (setting->type == SETTING_LIST) {
		read_list(reading, node, setting, value);
		return;
	}
	const char *text = reading_scalar(reading, node, "one value");
	if (text && setting_parse(setting, text, value))
		reading_complain_at(reading, node, "%s", procobsrv_explain());
}

/* ---- keys ---- */

static void complain_unknown(struct reading *reading, const char *section,
			     const struct configuration_node *node, const char *key,
			     const struct settings_table *tables, size_t table_count)
{
	const char *names[NAMES_MAX + 1];
	size_t count = 0;

	for (size_t table = 0; table < table_count; table++)
		for (const struct setting *setting = tables[table].settings;
		     setting->name && count < NAMES_MAX; setting++)
			names[count++] = setting->name;
	names[count] = NULL;
	const char *nearest = reading_nearest(key, names);
	if (nearest)
		reading_complain_at(reading, node, "%s has no setting '%s'; did you mean '%s'?",
				    section, key, nearest);
	else
		reading_complain_at(reading, node,
				    "%s has no setting '%s'; procobsrvd.conf(5) lists those "
				    "there are",
				    section, key);
}

static void read_pair(struct reading *reading, const char *section,
		      const struct configuration_node *key_node,
		      const struct configuration_node *node, struct settings_table *tables,
		      size_t table_count)
{
	const char *key = reading_scalar(reading, key_node, "the name of a setting");

	if (!key)
		return;
	for (size_t table = 0; table < table_count; table++) {
		int index = setting_find(tables[table].settings, key);
		if (index < 0)
			continue;
		struct setting_value *value = &tables[table].values[index];
		if (value->line)
			reading_complain_at(reading, key_node,
					    "%s has '%s' already in line %u; it must be there "
					    "once",
					    section, key, value->line);
		else
			read_value(reading, node, &tables[table].settings[index], value);
		return;
	}
	complain_unknown(reading, section, key_node, key, tables, table_count);
}

static void complete(struct reading *reading, const char *section,
		     const struct configuration_node *node, const struct settings_table *table)
{
	for (size_t index = 0; table->settings[index].name; index++) {
		const struct setting *setting = &table->settings[index];
		struct setting_value *value = &table->values[index];

		if (value->line)
			continue;
		if (setting->required)
			reading_complain_at(reading, node, "%s lacks the setting '%s'", section,
					    setting->name);
		else if (setting->initial && setting_parse(setting, setting->initial, value))
			reading_complain_at(reading, node, "%s", procobsrv_explain());
	}
}

void reading_mapping(struct reading *reading, const char *section,
		     const struct configuration_node *node, struct settings_table *tables,
		     size_t table_count)
{
	for (size_t table = 0; table < table_count; table++) {
		size_t count = 0;

		while (tables[table].settings[count].name)
			count++;
		tables[table].values =
		    reading_allocate(reading, count + 1, sizeof(*tables[table].values));
		if (!tables[table].values)
			return;
	}
	if (node->type == CONFIGURATION_MAPPING) {
		for (size_t index = 0; index < node->count; index++)
			read_pair(reading, section, node->keys[index], node->values[index], tables,
				  table_count);
	} else if (!reading_is_empty(node)) {
		reading_complain_at(reading, node,
				    "%s must be a mapping: settings, each 'name: value'", section);
	}
	for (size_t table = 0; table < table_count; table++)
		complete(reading, section, node, &tables[table]);
}
