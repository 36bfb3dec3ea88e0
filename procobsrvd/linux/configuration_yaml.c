/* SPDX-License-Identifier: MIT */
#include "configuration_yaml.h"

#include "buffer.h"
#include "configuration_mapping.h"
#include "configuration_sections.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define FILE_SIZE_MAX (1u << 20)

/* No setting is half as deep; and a megabyte of "[" would keep the parser busy for an hour. */
#define DEPTH_MOST 16

const char *const configuration_elsewhere[] = {NULL};

struct text {
	const char *data;
	size_t size;
};

/* ---- from YAML to nodes ---- */

struct conversion {
	struct reading *reading;
	struct configuration_node *nodes; /* by number, as the document counts them from 1 */
};

static struct configuration_node *node_of(const struct conversion *conversion, int number)
{
	return &conversion->nodes[number - 1];
}

static void convert_text(const struct conversion *conversion, const yaml_node_t *from,
			 struct configuration_node *node)
{
	char *text = reading_allocate(conversion->reading, from->data.scalar.length + 1, 1);

	if (!text)
		return;
	memcpy(text, from->data.scalar.value, from->data.scalar.length);
	node->type = CONFIGURATION_TEXT;
	node->text = text;
	node->length = from->data.scalar.length;
	node->plain = from->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static void convert_list(const struct conversion *conversion, const yaml_node_t *from,
			 struct configuration_node *node)
{
	const yaml_node_item_t *first = from->data.sequence.items.start;
	size_t count = (size_t)(from->data.sequence.items.top - first);

	node->type = CONFIGURATION_LIST;
	node->items = reading_allocate(conversion->reading, count + 1, sizeof(*node->items));
	for (size_t index = 0; node->items && index < count; index++)
		node->items[node->count++] = node_of(conversion, first[index]);
}

static void convert_mapping(const struct conversion *conversion, const yaml_node_t *from,
			    struct configuration_node *node)
{
	const yaml_node_pair_t *first = from->data.mapping.pairs.start;
	size_t count = (size_t)(from->data.mapping.pairs.top - first);

	node->type = CONFIGURATION_MAPPING;
	node->keys = reading_allocate(conversion->reading, count + 1, sizeof(*node->keys));
	node->values = reading_allocate(conversion->reading, count + 1, sizeof(*node->values));
	for (size_t index = 0; node->keys && node->values && index < count; index++) {
		node->keys[index] = node_of(conversion, first[index].key);
		node->values[index] = node_of(conversion, first[index].value);
		node->count++;
	}
}

/* Node by node, whatever refers to what: an alias may stand in many places, or within itself. */
static const struct configuration_node *convert(struct reading *reading, yaml_document_t *document)
{
	size_t count = (size_t)(document->nodes.top - document->nodes.start);
	struct conversion conversion = {
	    .reading = reading,
	    .nodes = reading_allocate(reading, count, sizeof(*conversion.nodes)),
	};

	for (size_t index = 0; conversion.nodes && index < count; index++) {
		const yaml_node_t *from = &document->nodes.start[index];
		struct configuration_node *node = &conversion.nodes[index];

		node->text = "";
		node->line = (unsigned)from->start_mark.line + 1;
		node->column = (unsigned)from->start_mark.column + 1;
		if (from->type == YAML_SCALAR_NODE)
			convert_text(&conversion, from, node);
		else if (from->type == YAML_SEQUENCE_NODE)
			convert_list(&conversion, from, node);
		else
			convert_mapping(&conversion, from, node);
	}
	/* The first one is the root. */
	return reading->no_memory ? NULL : conversion.nodes;
}

/* ---- the parser ---- */

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

/* What is wrong otherwise, loading tells. */
static bool is_too_deep(struct reading *reading, yaml_parser_t *parser)
{
	yaml_event_type_t type = YAML_NO_EVENT;
	int depth = 0;

	while (depth <= DEPTH_MOST && type != YAML_STREAM_END_EVENT) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return false;
		type = event.type;
		depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
		depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
		if (depth > DEPTH_MOST)
			reading_complain(reading, (unsigned)event.start_mark.line + 1,
					 (unsigned)event.start_mark.column + 1,
					 "lists and mappings are in each other more than %d deep",
					 DEPTH_MOST);
		yaml_event_delete(&event);
	}
	return depth > DEPTH_MOST;
}

static bool is_shallow(struct reading *reading, const struct text *text)
{
	yaml_parser_t parser;

	if (!yaml_parser_initialize(&parser)) {
		reading->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->size);
	bool is_deep = is_too_deep(reading, &parser);
	yaml_parser_delete(&parser);
	return !is_deep;
}

/* Nothing may follow the first document. */
static void expect_end(struct reading *reading, yaml_parser_t *parser, const struct text *text)
{
	yaml_document_t another;

	if (!yaml_parser_load(parser, &another)) {
		complain_parser(reading, parser, text->data, text->size);
		return;
	}
	const yaml_node_t *root = yaml_document_get_root_node(&another);
	if (root)
		reading_complain(reading, (unsigned)root->start_mark.line + 1,
				 (unsigned)root->start_mark.column + 1,
				 "a second document begins; it must be one document");
	yaml_document_delete(&another);
}

static bool load(struct reading *reading, void *from, const struct configuration_node **root)
{
	const struct text *text = from;
	yaml_parser_t parser;
	yaml_document_t document;
	bool loaded = false;

	if (!is_shallow(reading, text))
		return false;
	if (!yaml_parser_initialize(&parser)) {
		reading->no_memory = true;
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->size);
	if (!yaml_parser_load(&parser, &document)) {
		complain_parser(reading, &parser, text->data, text->size);
	} else {
		/* An empty file has no other document either. */
		if (yaml_document_get_root_node(&document)) {
			*root = convert(reading, &document);
			expect_end(reading, &parser, text);
		}
		yaml_document_delete(&document);
		loaded = true;
	}
	yaml_parser_delete(&parser);
	return loaded;
}

int configuration_parse(const char *file, const char *text, size_t size,
			const struct sink_operations *const *sinks, configuration_complain complain,
			void *param, const struct configuration **configuration)
{
	struct text from = {text, size};

	return configuration_make(file, load, &from, sinks, complain, param, configuration);
}

/* ---- the file ---- */

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

int configuration_read(const char *place, const struct sink_operations *const *sinks,
		       configuration_complain complain, void *param,
		       const struct configuration **configuration)
{
	struct buffer buffer = BUFFER_EMPTY;
	int error = read_whole(place, &buffer);

	if (!error)
		error = configuration_parse(place, buffer.data ? buffer.data : "", buffer.size,
					    sinks, complain, param, configuration);
	buffer_free(&buffer);
	return error;
}
