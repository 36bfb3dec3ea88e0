/* SPDX-License-Identifier: MIT */
#include "line_event.h"

#include "../json_scan.h"
#include "../wall_time.h"
#include "fields.h"

#include <string.h>

/* A section that is being read, and its struct. */
struct section {
	struct line_event *event;
	const struct field_table *table;
	char *object;
	const char *group; /* "namespaces." within that object of JSON; else empty */
};

static void put(const struct section *section, size_t offset, const void *value, size_t size)
{
	memcpy(section->object + offset, value, size);
}

static void put_u32(const struct section *section, size_t offset, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	put(section, offset, &narrow, sizeof narrow);
}

/* A text in the room that was made before; of UTF-8 none is longer than in JSON. */
static const char *take_text(struct line_event *event, const struct json_piece *value)
{
	size_t place = event->texts.size;

	json_piece_decode(value, &event->texts);
	buffer_append_character(&event->texts, '\0');
	return event->texts.failed ? "" : event->texts.data + place;
}

static void on_element(const struct json_piece *value, void *param)
{
	struct line_event *event = param;

	if (value->type == JSON_STRING) {
		const char *text = take_text(event, value);
		buffer_append(&event->pointers, &text, sizeof text);
	}
}

/* In the form of argv: pointers, and a NULL behind them. */
static void take_vector(const struct section *section, const struct field *field,
			const struct json_piece *value)
{
	struct line_event *event = section->event;
	const char *const end = NULL;
	size_t begin = event->pointers.size;

	if (value->type != JSON_ARRAY ||
	    !json_scan_array(value->text, value->size, on_element, event))
		return;
	size_t count = (event->pointers.size - begin) / sizeof(char *);
	buffer_append(&event->pointers, &end, sizeof end);
	if (event->pointers.failed)
		return;
	const char *vector = event->pointers.data + begin;
	put(section, field->offset, &vector, sizeof vector);
	put(section, field->second_offset, &count, sizeof count);
}

static void on_missing_member(const struct json_piece *key, const struct json_piece *value,
			      void *param)
{
	struct line_event *event = param;
	struct procobsrv_missing *missing =
	    (struct procobsrv_missing *)(event->pointers.data + event->pointers.size) - 1;

	if (value->type != JSON_STRING)
		return;
	if (json_piece_is(key, "field"))
		missing->field = take_text(event, value);
	else if (json_piece_is(key, "reason"))
		missing->reason = take_text(event, value);
}

static void on_missing(const struct json_piece *value, void *param)
{
	struct line_event *event = param;
	const struct procobsrv_missing none = {"", ""};

	if (value->type != JSON_OBJECT)
		return;
	buffer_append(&event->pointers, &none, sizeof none);
	if (!event->pointers.failed)
		json_scan(value->text, value->size, on_missing_member, event);
}

static void take_missing(const struct section *section, const struct field *field,
			 const struct json_piece *value)
{
	struct line_event *event = section->event;
	size_t begin = event->pointers.size;

	if (value->type != JSON_ARRAY ||
	    !json_scan_array(value->text, value->size, on_missing, event) || event->pointers.failed)
		return;
	const char *missing = event->pointers.data + begin;
	size_t count = (event->pointers.size - begin) / sizeof(struct procobsrv_missing);
	put(section, field->offset, &missing, sizeof missing);
	put(section, field->second_offset, &count, sizeof count);
}

static bool take_number(const struct json_piece *value, uint64_t *number)
{
	struct json_piece digits = *value;

	/* Those that can pass 2^53 are strings. */
	if (digits.type == JSON_STRING)
		digits.type = JSON_NUMBER;
	return json_piece_unsigned(&digits, number);
}

static void take_kind(const struct section *section, const struct field *field,
		      const struct json_piece *value)
{
	for (uint32_t kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++)
		if (json_piece_is(value, procobsrv_kind_name((enum procobsrv_kind)kind)))
			put_u32(section, field->offset, kind);
}

static void set_bits(const struct section *section, const struct field *field)
{
	put_u32(section, field->second_offset,
		field_u32(section->object, field->second_offset) | field->mask);
}

/* A number, a time or a truth; false: the value is none. */
static bool take_scalar(const struct section *section, const struct field *field,
			const struct json_piece *value)
{
	uint64_t number;
	int64_t time_ns;

	if (field->type == FIELD_TIME) {
		if (value->type != JSON_STRING ||
		    !wall_time_read(value->text, value->size, &time_ns))
			return false;
		put(section, field->offset, &time_ns, sizeof time_ns);
		return true;
	}
	if (field->type == FIELD_BOOLEAN) {
		put_u32(section, field->offset, value->type == JSON_TRUE);
		return true;
	}
	if (!take_number(value, &number))
		return false;
	if (field->type == FIELD_U32 || field->type == FIELD_I32)
		put_u32(section, field->offset, number);
	else
		put(section, field->offset, &number, sizeof number);
	return true;
}

static void take(const struct section *section, const struct field *field,
		 const struct json_piece *value)
{
	const char *text;

	switch ((enum field_type)field->type) {
	case FIELD_KIND:
		take_kind(section, field, value);
		return;
	case FIELD_FLAG:
		if (value->type == JSON_TRUE)
			set_bits(section, field);
		return;
	case FIELD_TEXT:
		if (value->type != JSON_STRING)
			return;
		text = take_text(section->event, value);
		put(section, field->offset, &text, sizeof text);
		return;
	case FIELD_VECTOR:
		take_vector(section, field, value);
		return;
	case FIELD_MISSING:
		take_missing(section, field, value);
		return;
	case FIELD_U32:
	case FIELD_I32:
	case FIELD_U64:
	case FIELD_U64_STRING:
	case FIELD_BOOLEAN:
	case FIELD_TIME:
		if (take_scalar(section, field, value) && field->presence == FIELD_IF_INDICATED)
			set_bits(section, field);
		return;
	}
}

static void on_field(const struct json_piece *key, const struct json_piece *value, void *param)
{
	const struct section *section = param;
	size_t group = strlen(section->group);

	for (size_t at = 0; at < section->table->count; at++) {
		const struct field *field = &section->table->fields[at];

		if (strncmp(field->name, section->group, group) == 0 &&
		    json_piece_is(key, field->name + group)) {
			take(section, field, value);
			return;
		}
	}
	if (value->type == JSON_OBJECT && json_piece_is(key, "namespaces") && !group) {
		struct section inner = *section;

		inner.group = "namespaces.";
		json_scan(value->text, value->size, on_field, &inner);
	}
}

/* The sections that are objects of their own in the line. */
static const struct {
	const char *key;
	enum field_section section;
	size_t offset; /* in struct line_event */
} objects[] = {
    {"process", FIELDS_PROCESS, offsetof(struct line_event, process)},
    {"parent", FIELDS_PARENT, offsetof(struct line_event, parent)},
    {"creator", FIELDS_CREATOR, offsetof(struct line_event, creator)},
    {"exit", FIELDS_EXIT, offsetof(struct line_event, exit)},
    {"attempt", FIELDS_ATTEMPT, offsetof(struct line_event, attempt)},
    {"error", FIELDS_ERROR, offsetof(struct line_event, attempt)},
};

static void on_member(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct line_event *event = param;
	struct section own = {event, &field_tables[FIELDS_EVENT], (char *)&event->event, ""};
	struct section lost = {event, &field_tables[FIELDS_LOST], (char *)&event->lost, ""};

	if (value->type != JSON_OBJECT) {
		on_field(key, value, &own);
		on_field(key, value, &lost);
		return;
	}
	for (size_t at = 0; at < sizeof objects / sizeof *objects; at++) {
		struct section section = {event, &field_tables[objects[at].section],
					  (char *)event + objects[at].offset, ""};

		if (json_piece_is(key, objects[at].key))
			json_scan(value->text, value->size, on_field, &section);
	}
	event->has_exit |= json_piece_is(key, "exit");
}

/* Which parts the event has: as the library would have it. */
static void join(struct line_event *event)
{
	const enum procobsrv_kind kind = event->event.kind;

	if (kind == PROCOBSRV_LOST) {
		event->event.lost = &event->lost;
		return;
	}
	event->event.process = &event->process;
	event->event.parent = event->parent.id ? &event->parent : NULL;
	event->event.creator = event->creator.id ? &event->creator : NULL;
	event->event.exit = kind == PROCOBSRV_EXIT && event->has_exit ? &event->exit : NULL;
	event->event.attempt = kind == PROCOBSRV_EXEC_FAILED ? &event->attempt : NULL;
}

bool line_event_read(struct line_event *event, const char *line, size_t size)
{
	struct buffer texts = event->texts, pointers = event->pointers;

	*event = (struct line_event){.texts = texts, .pointers = pointers};
	event->texts.size = event->pointers.size = 0;
	event->texts.failed = event->pointers.failed = false;
	/* At most three bytes of UTF-8 come of one; each element takes three characters at least.
	 */
	if (!buffer_reserve(&event->texts, 3 * size + 1) ||
	    !buffer_reserve(&event->pointers, (size / 2 + 2) * sizeof(struct procobsrv_missing)))
		return false;
	texts = event->texts;
	pointers = event->pointers;
	if (!json_scan(line, size, on_member, event) || !event->event.kind)
		return false;
	join(event);
	/* Pointers into them would be stale. */
	return texts.data == event->texts.data && pointers.data == event->pointers.data;
}

void line_event_free(struct line_event *event)
{
	buffer_free(&event->texts);
	buffer_free(&event->pointers);
}
