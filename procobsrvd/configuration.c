/* SPDX-License-Identifier: MIT */
#include "configuration.h"

#include "configuration_sections.h"
#include "error.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is behind a configuration. */
struct loaded {
	struct configuration public; /* first */
	atomic_uint references;
	struct configuration_block *blocks;
};

const struct configuration *configuration_ref(const struct configuration *configuration)
{
	struct loaded *loaded = (struct loaded *)(uintptr_t)configuration;

	if (loaded)
		atomic_fetch_add(&loaded->references, 1);
	return configuration;
}

void configuration_unref(const struct configuration *configuration)
{
	struct loaded *loaded = (struct loaded *)(uintptr_t)configuration;

	if (!loaded || atomic_fetch_sub(&loaded->references, 1) != 1)
		return;
	while (loaded->blocks) {
		struct configuration_block *block = loaded->blocks;
		loaded->blocks = block->next;
		free(block);
	}
	free(loaded);
}

/* ---- sections ---- */

struct section {
	const char *name;
	void (*read)(struct reading *reading, const struct configuration_node *node,
		     struct configuration *configuration);
};

static const struct section sections[] = {
    {"observer", section_observer},
    {"readers", section_readers},
    {"metrics", section_metrics},
};

#define SECTION_COUNT (sizeof(sections) / sizeof(sections[0]))
#define NAMES_MAX     32

struct place {
	unsigned line;
	unsigned column;
};

/* While the sections are read. */
struct survey {
	struct reading *reading;
	struct configuration *configuration;
	const struct sink_operations *const *operations;
	struct configuration_sink *sinks; /* there is room for all */
	struct place *places;		  /* of each */
};

static void add_sink(struct survey *survey, const struct configuration_node *node,
		     const struct sink_operations *operations, size_t number)
{
	size_t index = survey->configuration->sink_count;

	section_sink(survey->reading, node, operations, number, &survey->sinks[index]);
	if (!survey->sinks[index].name)
		return;
	survey->places[index] = (struct place){node->line, node->column};
	for (size_t other = 0; other < index; other++)
		if (!strcmp(survey->sinks[other].name, survey->sinks[index].name))
			reading_complain_at(survey->reading, node,
					    "the sink in line %u is called '%s' too; each must "
					    "have a name of its own (name: ...)",
					    survey->places[other].line, survey->sinks[index].name);
	survey->configuration->sink_count++;
}

static void add_sinks(struct survey *survey, const struct configuration_node *node,
		      const struct sink_operations *operations)
{
	if (node->type != CONFIGURATION_LIST) {
		add_sink(survey, node, operations, 1);
		return;
	}
	for (size_t index = 0; index < node->count; index++)
		add_sink(survey, node->items[index], operations, index + 1);
}

static void complain_unknown(struct survey *survey, const struct configuration_node *node,
			     const char *name)
{
	const char *names[NAMES_MAX + 1];
	size_t count = 0;

	for (size_t index = 0; index < SECTION_COUNT; index++)
		names[count++] = sections[index].name;
	for (size_t index = 0; survey->operations[index] && count < NAMES_MAX; index++)
		names[count++] = survey->operations[index]->name;
	names[count] = NULL;
	const char *nearest = reading_nearest(name, names);
	reading_complain_at(survey->reading, node, "there is no section '%s'%s%s%s", name,
			    nearest ? "; did you mean '"
				    : "; procobsrvd.conf(5) lists those "
				      "there are",
			    nearest ? nearest : "", nearest ? "'?" : "");
}

static bool is_elsewhere(struct survey *survey, const struct configuration_node *node,
			 const char *name)
{
	for (size_t index = 0; configuration_elsewhere[index]; index++) {
		if (strcmp(name, configuration_elsewhere[index]) != 0)
			continue;
		reading_complain_at(survey->reading, node,
				    "the section '%s' is not for this system: procobsrvd has it on "
				    "others alone; remove it",
				    name);
		return true;
	}
	return false;
}

static void read_section(struct survey *survey, const struct configuration_node *key,
			 const struct configuration_node *node)
{
	const char *name = reading_scalar(survey->reading, key, "the name of a section");

	if (!name || is_elsewhere(survey, key, name))
		return;
	for (size_t index = 0; index < SECTION_COUNT; index++) {
		if (strcmp(name, sections[index].name) != 0)
			continue;
		sections[index].read(survey->reading, node, survey->configuration);
		return;
	}
	for (size_t index = 0; survey->operations[index]; index++) {
		if (strcmp(name, survey->operations[index]->name) != 0)
			continue;
		add_sinks(survey, node, survey->operations[index]);
		return;
	}
	complain_unknown(survey, key, name);
}

/* Whether an earlier pair has the same key; that is complained about. */
static bool is_repeated(struct survey *survey, const struct configuration_node *root, size_t index)
{
	const struct configuration_node *key = root->keys[index];

	if (key->type != CONFIGURATION_TEXT)
		return false;
	for (size_t other = 0; other < index; other++) {
		const struct configuration_node *name = root->keys[other];
		if (name->type != CONFIGURATION_TEXT || strcmp(name->text, key->text) != 0)
			continue;
		reading_complain_at(survey->reading, key,
				    "the section '%s' is in line %u already; it must be there once",
				    key->text, name->line);
		return true;
	}
	return false;
}

static size_t most_sinks(const struct configuration_node *root)
{
	size_t count = 0;

	for (size_t index = 0; index < root->count; index++)
		count += root->values[index]->type == CONFIGURATION_LIST
			     ? root->values[index]->count
			     : 1;
	return count;
}

static void read_root(struct survey *survey, const struct configuration_node *root)
{
	struct reading *reading = survey->reading;

	if (root->type != CONFIGURATION_MAPPING) {
		if (!reading_is_empty(root))
			reading_complain_at(reading, root,
					    "the file must be a mapping: sections, each 'name:' "
					    "and its settings");
		return;
	}
	size_t most = most_sinks(root);
	survey->sinks = reading_allocate(reading, most + 1, sizeof(*survey->sinks));
	survey->places = reading_allocate(reading, most + 1, sizeof(*survey->places));
	if (reading->no_memory)
		return;
	survey->configuration->sinks = survey->sinks;
	for (size_t index = 0; index < root->count && !reading->no_memory; index++)
		if (!is_repeated(survey, root, index))
			read_section(survey, root->keys[index], root->values[index]);
}

/* ---- whole ---- */

int configuration_make(const char *name, configuration_load load, void *from,
		       const struct sink_operations *const *sinks, configuration_complain complain,
		       void *param, const struct configuration **configuration)
{
	const struct configuration_node *root = NULL;
	struct loaded *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the configuration");
	struct reading reading = {.blocks = &loaded->blocks};
	struct survey survey = {
	    .reading = &reading, .configuration = &loaded->public, .operations = sinks};

	atomic_init(&loaded->references, 1);
	loaded->public.file = reading_copy(&reading, name);
	section_observer_initial(&reading, &loaded->public);
	if (load(&reading, from, &root) && root)
		read_root(&survey, root);
	bool wrong = reading.complaint_count > 0;
	reading_tell(&reading, complain, param);
	if (!wrong && !reading.no_memory) {
		*configuration = &loaded->public;
		return 0;
	}
	configuration_unref(&loaded->public);
	if (reading.no_memory)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the configuration");
	return error_set(PROCOBSRV_ERROR_ARGUMENT, "the configuration in %s is wrong", name);
}

/* ---- comparing ---- */

static bool same_text(const char *one, const char *other)
{
	return one == other || (one && other && !strcmp(one, other));
}

static bool same_value(const struct setting_value *one, const struct setting_value *other)
{
	if (one->set != other->set || one->number != other->number || one->count != other->count)
		return false;
	for (size_t index = 0; index < one->count; index++)
		if (strcmp(one->list[index], other->list[index]) != 0)
			return false;
	return same_text(one->text, other->text);
}

bool configuration_sink_equal(const struct configuration_sink *one,
			      const struct configuration_sink *other)
{
	if (one->operations != other->operations || one->kinds != other->kinds ||
	    one->queue_count != other->queue_count || !same_text(one->match, other->match))
		return false;
	for (size_t index = 0; one->operations->settings[index].name; index++)
		if (!same_value(&one->values[index], &other->values[index]))
			return false;
	return true;
}
