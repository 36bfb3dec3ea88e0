/* SPDX-License-Identifier: MIT */
#include "configuration.h"

#include "buffer.h"
#include "configuration_sections.h"
#include "error.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_SIZE_MAX (1u << 20)

/* What is behind a configuration: its texts are those of the document. */
struct loaded {
	struct configuration public; /* first */
	atomic_uint references;
	yaml_document_t document;
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
	yaml_document_delete(&loaded->document);
	while (loaded->blocks) {
		struct configuration_block *block = loaded->blocks;
		loaded->blocks = block->next;
		free(block);
	}
	free(loaded);
}

/* ---- YAML ---- */

/* Where a byte of the file is; the parser does not say it of bytes that are no characters. */
static void place_of(const char *text, size_t size, size_t offset, unsigned *line, unsigned *column)
{
	*line = *column = 1;
	for (size_t index = 0; index < offset && index < size; index++) {
		*column = text[index] == '\n' ? 1 : *column + 1;
		*line += text[index] == '\n';
	}
}

static void complain_parser(struct reading *reading, const yaml_parser_t *parser, const char *text,
			    size_t size)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;
	unsigned column = (unsigned)parser->problem_mark.column + 1;

	if (parser->error == YAML_MEMORY_ERROR) {
		reading->no_memory = true;
		return;
	}
	if (parser->error == YAML_READER_ERROR)
		place_of(text, size, parser->problem_offset, &line, &column);
	reading_complain(reading, line, column, "%s%s%s; it must be YAML",
			 parser->problem ? parser->problem : "this cannot be read",
			 parser->context ? " " : "", parser->context ? parser->context : "");
}

/* The first document, which must be the only one. */
static bool load(struct reading *reading, const char *text, size_t size)
{
	yaml_parser_t parser;
	yaml_document_t another;
	bool loaded = false;

	if (!yaml_parser_initialize(&parser)) {
		reading->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	if (!yaml_parser_load(&parser, reading->document)) {
		complain_parser(reading, &parser, text, size);
		memset(reading->document, 0, sizeof(*reading->document));
		goto end;
	}
	loaded = true;
	if (!yaml_document_get_root_node(reading->document))
		goto end; /* an empty file: there is no other */
	if (!yaml_parser_load(&parser, &another)) {
		complain_parser(reading, &parser, text, size);
		goto end;
	}
	const yaml_node_t *root = yaml_document_get_root_node(&another);
	if (root)
		reading_complain_at(reading, root,
				    "a second document begins; it must be one document");
	yaml_document_delete(&another);
end:
	yaml_parser_delete(&parser);
	return loaded;
}

/* ---- sections ---- */

struct section {
	const char *name;
	void (*read)(struct reading *reading, const yaml_node_t *node,
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

static void add_sink(struct survey *survey, const yaml_node_t *node,
		     const struct sink_operations *operations, size_t number)
{
	size_t index = survey->configuration->sink_count;

	section_sink(survey->reading, node, operations, number, &survey->sinks[index]);
	if (!survey->sinks[index].name)
		return;
	survey->places[index] = (struct place){reading_line(node), reading_column(node)};
	for (size_t other = 0; other < index; other++)
		if (!strcmp(survey->sinks[other].name, survey->sinks[index].name))
			reading_complain_at(survey->reading, node,
					    "the sink in line %u is called '%s' too; each must "
					    "have a name of its own (name: ...)",
					    survey->places[other].line, survey->sinks[index].name);
	survey->configuration->sink_count++;
}

static void add_sinks(struct survey *survey, const yaml_node_t *node,
		      const struct sink_operations *operations)
{
	if (node->type != YAML_SEQUENCE_NODE) {
		add_sink(survey, node, operations, 1);
		return;
	}
	size_t number = 0;
	for (const yaml_node_item_t *item = node->data.sequence.items.start;
	     item < node->data.sequence.items.top; item++)
		add_sink(survey, yaml_document_get_node(survey->reading->document, *item),
			 operations, ++number);
}

static void complain_unknown(struct survey *survey, const yaml_node_t *node, const char *name)
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

static void read_section(struct survey *survey, const yaml_node_t *key, const yaml_node_t *node)
{
	const char *name = reading_scalar(survey->reading, key, "the name of a section");

	if (!name)
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
static bool is_repeated(struct survey *survey, const yaml_node_t *root,
			const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(survey->reading->document, pair->key);

	if (key->type != YAML_SCALAR_NODE)
		return false;
	for (const yaml_node_pair_t *other = root->data.mapping.pairs.start; other < pair;
	     other++) {
		const yaml_node_t *name =
		    yaml_document_get_node(survey->reading->document, other->key);
		if (name->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)name->data.scalar.value,
			   (const char *)key->data.scalar.value) != 0)
			continue;
		reading_complain_at(survey->reading, key,
				    "the section '%s' is in line %u already; it must be there once",
				    (const char *)key->data.scalar.value, reading_line(name));
		return true;
	}
	return false;
}

static size_t most_sinks(const struct reading *reading, const yaml_node_t *root)
{
	size_t count = 0;

	for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = yaml_document_get_node(reading->document, pair->value);
		count +=
		    node->type == YAML_SEQUENCE_NODE
			? (size_t)(node->data.sequence.items.top - node->data.sequence.items.start)
			: 1;
	}
	return count;
}

static void read_root(struct survey *survey, const yaml_node_t *root)
{
	struct reading *reading = survey->reading;

	if (root->type != YAML_MAPPING_NODE) {
		if (!reading_is_empty(root))
			reading_complain_at(reading, root,
					    "the file must be a mapping: sections, each 'name:' "
					    "and its settings");
		return;
	}
	size_t most = most_sinks(reading, root);
	survey->sinks = reading_allocate(reading, most + 1, sizeof(*survey->sinks));
	survey->places = reading_allocate(reading, most + 1, sizeof(*survey->places));
	if (reading->no_memory)
		return;
	survey->configuration->sinks = survey->sinks;
	for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
	     pair < root->data.mapping.pairs.top && !reading->no_memory; pair++)
		if (!is_repeated(survey, root, pair))
			read_section(survey, yaml_document_get_node(reading->document, pair->key),
				     yaml_document_get_node(reading->document, pair->value));
}

/* ---- whole ---- */

int configuration_parse(const char *file, const char *text, size_t size,
			const struct sink_operations *const *sinks, configuration_complain complain,
			void *param, const struct configuration **configuration)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));

	if (!loaded)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the configuration");
	struct reading reading = {
	    .document = &loaded->document,
	    .blocks = &loaded->blocks,
	};
	struct survey survey = {
	    .reading = &reading, .configuration = &loaded->public, .operations = sinks};

	atomic_init(&loaded->references, 1);
	loaded->public.file = reading_copy(&reading, file);
	section_observer_initial(&reading, &loaded->public);
	if (load(&reading, text, size)) {
		const yaml_node_t *root = yaml_document_get_root_node(&loaded->document);
		if (root)
			read_root(&survey, root);
	}
	bool wrong = reading.complaint_count > 0;
	reading_tell(&reading, complain, param);
	if (!wrong && !reading.no_memory) {
		*configuration = &loaded->public;
		return 0;
	}
	configuration_unref(&loaded->public);
	if (reading.no_memory)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the configuration");
	return error_set(PROCOBSRV_ERROR_ARGUMENT, "the configuration in %s is wrong", file);
}

static int read_whole(const char *path, struct buffer *buffer)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return error_set_errno(errno, "cannot open %s", path);
	while (buffer->size <= FILE_SIZE_MAX && buffer_reserve(buffer, 4096)) {
		size_t count = fread(buffer->data + buffer->size, 1, 4096, file);
		buffer->size += count;
		if (!count)
			break;
	}
	int error = ferror(file) ? errno : 0;
	fclose(file);
	if (error)
		return error_set_errno(error, "cannot read %s", path);
	if (buffer->failed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for %s", path);
	if (buffer->size > FILE_SIZE_MAX)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s has more than %u bytes: that is no configuration", path,
				 FILE_SIZE_MAX);
	return 0;
}

int configuration_read(const char *file, const struct sink_operations *const *sinks,
		       configuration_complain complain, void *param,
		       const struct configuration **configuration)
{
	struct buffer buffer = BUFFER_EMPTY;
	int error = read_whole(file, &buffer);

	if (!error)
		error = configuration_parse(file, buffer.data ? buffer.data : "", buffer.size,
					    sinks, complain, param, configuration);
	buffer_free(&buffer);
	return error;
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
