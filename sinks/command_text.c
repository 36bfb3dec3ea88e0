/* SPDX-License-Identifier: MIT */
#include "command_text.h"

#include "buffer.h"
#include "error.h"
#include "field_text.h"

#include <stdlib.h>
#include <string.h>

/* The kernel takes no string of 128 KiB or more; whatever is longer stands in the JSON. */
#define VALUE_MOST 65536u

/* Literal text, or a field. */
struct part {
	const char *literal; /* NULL: a field */
	size_t size;
	enum field_section section;
	const struct field *field;
};

struct command_text {
	struct part *parts;
	size_t count;
	size_t arguments;
};

static struct part *add_part(struct command_text *text)
{
	struct part *grown = realloc(text->parts, (text->count + 1) * sizeof *grown);

	if (!grown)
		return NULL;
	text->parts = grown;
	grown[text->count] = (struct part){0};
	return &grown[text->count++];
}

static int out_of_memory(void)
{
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a command");
}

static int add_literal(struct command_text *text, const char *literal, size_t size)
{
	struct part *part = add_part(text);

	if (!part)
		return out_of_memory();
	part->literal = literal;
	part->size = size;
	return 0;
}

static int end_argument(struct command_text *text)
{
	text->arguments++;
	return add_literal(text, "", 1); /* its NUL */
}

/* Whether a process can make of it what it likes: not so with numbers, times, identities. */
static bool is_chosen(enum field_section section, const struct field *field)
{
	return field->type == FIELD_TEXT && section != FIELDS_EVENT && section != FIELDS_ERROR &&
	       section != FIELDS_LOST && strcmp(field->name, "id") != 0;
}

/* What stands between braces, of which the first is at `name`[-1]. */
static int add_field(struct command_text *text, const char *name, size_t size, bool may_begin)
{
	struct part *part = add_part(text);
	const char *nearest;

	if (!part)
		return out_of_memory();
	if (!field_find(name, size, &part->section, &part->field)) {
		nearest = field_nearest(name, size);
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "run: there is no field '%.*s'%s%s; a brace is written as {{",
				 (int)size, name, nearest ? ", do you mean " : "",
				 nearest ? nearest : "");
	}
	if (field_value_type(part->field) == FIELD_VALUE_TEXTS)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "run: {%.*s} is a list, which no argument can hold; the command "
				 "finds it in the JSON on its standard input",
				 (int)size, name);
	if (!may_begin && is_chosen(part->section, part->field))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "run: an argument that begins with {%.*s} could become an option, "
				 "as processes choose that; put an argument -- before it, or text "
				 "in front",
				 (int)size, name);
	return 0;
}

static int compile_argument(struct command_text *text, const char *argument, bool after_dashes)
{
	const char *at = argument;
	int error = 0;

	while (*at && !error) {
		size_t plain = strcspn(at, "{");
		const char *end;

		if (plain) {
			error = add_literal(text, at, plain);
			at += plain;
		} else if (at[1] == '{') {
			error = add_literal(text, at, 1);
			at += 2;
		} else {
			end = strchr(at, '}');
			if (!end)
				return error_set(PROCOBSRV_ERROR_ARGUMENT,
						 "run: '%s' lacks a }; a brace is written as {{",
						 argument);
			error = add_field(text, at + 1, (size_t)(end - at - 1),
					  after_dashes || at != argument);
			at = end + 1;
		}
	}
	return error ? error : end_argument(text);
}

int command_text_compile(const char *const *list, struct command_text **text)
{
	struct command_text *made;
	const char *program = list[0];
	bool after_dashes = false;
	int error = 0;

	if (!program || *program != '/')
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "run: '%s' is not an absolute path of a program",
				 program ? program : "");
	made = calloc(1, sizeof *made);
	if (!made)
		return out_of_memory();
	/* Which program is run, no event decides. */
	error = add_literal(made, program, strlen(program));
	if (!error)
		error = end_argument(made);
	for (size_t at = 1; list[at] && !error; at++) {
		error = compile_argument(made, list[at], after_dashes);
		after_dashes |= !strcmp(list[at], "--");
	}
	if (error) {
		command_text_free(made);
		return error;
	}
	*text = made;
	return 0;
}

/* False: the event does not have it, or it is too long. */
static bool read_value(const struct procobsrv_event *event, enum field_section section,
		       const struct field *field, struct field_value *value)
{
	const void *object = field_object(event, section);

	return object && field_read(field, object, value) &&
	       (field_value_type(field) != FIELD_VALUE_TEXT || value->size <= VALUE_MOST);
}

static void append_arguments(struct buffer *buffer, const struct command_text *text,
			     const struct procobsrv_event *event)
{
	struct field_value value;

	for (size_t at = 0; at < text->count; at++) {
		const struct part *part = &text->parts[at];

		if (part->literal)
			buffer_append(buffer, part->literal, part->size);
		else if (read_value(event, part->section, part->field, &value))
			field_text_append_value(buffer, part->field, &value);
	}
}

/* PROCOBSRV_PID=, PROCOBSRV_PARENT_PID=, PROCOBSRV_EXIT_CODE=: names as in match expressions. */
static void append_variable(struct buffer *buffer, const char *prefix, const struct field *field,
			    const struct field_value *value)
{
	buffer_append_text(buffer, "PROCOBSRV_");
	if (strcmp(prefix, "process.") != 0)
		field_text_append_name(buffer, prefix);
	field_text_append_name(buffer, field->name);
	buffer_append_character(buffer, '=');
	field_text_append_value(buffer, field, value);
	buffer_append_character(buffer, '\0');
}

/* Returns how many there are. */
static size_t append_environment(struct buffer *buffer, const struct procobsrv_event *event)
{
	static const char always[] =
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\0LANG=C.UTF-8";
	struct field_value value;
	size_t count = 2;

	buffer_append(buffer, always, sizeof always);
	for (int section = 0; section < FIELDS_SECTIONS; section++) {
		const struct field_table *table = &field_tables[section];

		for (size_t at = 0; at < table->count; at++) {
			const struct field *field = &table->fields[at];

			if (field_value_type(field) == FIELD_VALUE_TEXTS ||
			    !read_value(event, (enum field_section)section, field, &value) ||
			    (field->type == FIELD_FLAG && !value.boolean))
				continue;
			append_variable(buffer, table->prefix, field, &value);
			count++;
		}
	}
	return count;
}

/* Pointers to `count` strings, one after the other from `at` on; returns where the next begins. */
static char *point(char **pointers, size_t count, char *at)
{
	for (size_t index = 0; index < count; index++) {
		pointers[index] = at;
		at += strlen(at) + 1;
	}
	pointers[count] = NULL;
	return at;
}

int command_text_fill(const struct command_text *text, const struct procobsrv_event *event,
		      struct command_line *line)
{
	struct buffer buffer = BUFFER_EMPTY;
	size_t variables;
	char **pointers;
	char *strings;

	append_arguments(&buffer, text, event);
	variables = append_environment(&buffer, event);
	/* The pointers come first, as they must be aligned. */
	size_t room = (text->arguments + variables + 2) * sizeof *pointers;
	pointers = buffer.failed ? NULL : malloc(room + buffer.size);
	if (!pointers) {
		buffer_free(&buffer);
		return out_of_memory();
	}
	strings = (char *)pointers + room;
	memcpy(strings, buffer.data, buffer.size);
	buffer_free(&buffer);
	line->memory = pointers;
	line->arguments = pointers;
	line->environment = pointers + text->arguments + 1;
	strings = point(pointers, text->arguments, strings);
	point(pointers + text->arguments + 1, variables, strings);
	return 0;
}

void command_text_free(struct command_text *text)
{
	if (!text)
		return;
	free(text->parts);
	free(text);
}
