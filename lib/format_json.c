/* SPDX-License-Identifier: MIT */
/*
 * Events as JSON lines. Written by hand rather than with a library since each event goes this way:
 * the fields come from the table in fields.c, each number or key is a few instructions.
 */
#include "format.h"

#include "base64.h"
#include "fields.h"
#include "json.h"
#include "text_number.h"

#include <string.h>

#define STRINGIFY(text)	 #text
#define EXPAND(text)	 STRINGIFY(text)
#define LINE_BEGIN	 "{\"schema\":" EXPAND(FORMAT_SCHEMA)
#define SHORT_FIELD_SIZE (FIELD_KEY_SIZE + TEXT_TIME_SIZE + 4) /* a key and any short value */

/* The place for a key and a short value; NULL: out of memory. */
static inline char *room(struct buffer *buffer)
{
	if (buffer->capacity - buffer->size < SHORT_FIELD_SIZE &&
	    !buffer_reserve(buffer, SHORT_FIELD_SIZE))
		return NULL;
	return buffer->data + buffer->size;
}

static inline char *write_key(char *out, const struct field *field)
{
	memcpy(out, field->key, FIELD_KEY_SIZE);
	return out + field->key_length;
}

static inline void put_unsigned(struct buffer *buffer, const struct field *field, uint64_t value)
{
	char *out = room(buffer);

	if (out != NULL)
		buffer->size =
		    (size_t)(text_write_unsigned(write_key(out, field), value) - buffer->data);
}

static void put_unsigned_string(struct buffer *buffer, const struct field *field, uint64_t value)
{
	char *out = room(buffer);

	if (out == NULL)
		return;
	out = write_key(out, field);
	*out++ = '"';
	out = text_write_unsigned(out, value);
	*out++ = '"';
	buffer->size = (size_t)(out - buffer->data);
}

static void put_signed(struct buffer *buffer, const struct field *field, int32_t value)
{
	char *out = room(buffer);

	if (out == NULL)
		return;
	out = write_key(out, field);
	if (value < 0)
		*out++ = '-';
	out = text_write_unsigned(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
	buffer->size = (size_t)(out - buffer->data);
}

static void put_boolean(struct buffer *buffer, const struct field *field, bool value)
{
	char *out = room(buffer);

	if (out == NULL)
		return;
	out = write_key(out, field);
	memcpy(out, value ? "true" : "false", 5);
	out += value ? 4 : 5;
	buffer->size = (size_t)(out - buffer->data);
}

static void put_time(struct buffer *buffer, const struct field *field, int64_t wall_ns)
{
	char *out = room(buffer);

	if (out == NULL)
		return;
	out = write_key(out, field);
	*out++ = '"';
	out = text_write_time(out, wall_ns);
	*out++ = '"';
	buffer->size = (size_t)(out - buffer->data);
}

static inline void put_key(struct buffer *buffer, const struct field *field)
{
	char *out = room(buffer);

	if (out != NULL)
		buffer->size = (size_t)(write_key(out, field) - buffer->data);
}

/* The exact bytes of strings that are not UTF-8; for a vector each is ended by NUL. */
static void put_base64(struct buffer *buffer, const struct field *field, const char *const *texts,
		       size_t count)
{
	struct base64 base64 = BASE64_INTO(buffer);
	size_t terminator = field->type == FIELD_VECTOR ? 1 : 0;

	buffer_append(buffer, field->key, field->key_length - strlen("\":"));
	buffer_append_text(buffer, "_base64\":\"");
	for (size_t at = 0; at < count; at++)
		base64_append(&base64, texts[at], strlen(texts[at]) + terminator);
	base64_finish(&base64);
	buffer_append_character(buffer, '"');
}

static inline void put_text(struct buffer *buffer, const struct field *field, const char *text)
{
	if (text == NULL)
		return;
	put_key(buffer, field);
	if (!json_append_string(buffer, text))
		put_base64(buffer, field, &text, 1);
}

static void put_vector(struct buffer *buffer, const struct field *field, const char *const *texts,
		       size_t count)
{
	if (texts == NULL)
		return;
	put_key(buffer, field);
	if (!json_append_strings(buffer, texts, count))
		put_base64(buffer, field, texts, count);
}

static void put_missing(struct buffer *buffer, const struct field *field,
			const struct procobsrv_missing *missing, size_t count)
{
	if (missing == NULL || count == 0)
		return;
	put_key(buffer, field);
	for (size_t at = 0; at < count; at++) {
		buffer_append_text(buffer, at == 0 ? "[{\"field\":" : ",{\"field\":");
		json_append_string(buffer, missing[at].field);
		buffer_append_text(buffer, ",\"reason\":");
		json_append_string(buffer, missing[at].reason);
		buffer_append_character(buffer, '}');
	}
	buffer_append_character(buffer, ']');
}

static void put_field(struct buffer *buffer, const struct field *field, const void *object)
{
	size_t offset = field->offset;

	switch ((enum field_type)field->type) {
	case FIELD_U32:
		put_unsigned(buffer, field, field_u32(object, offset));
		break;
	case FIELD_I32:
		put_signed(buffer, field, (int32_t)field_u32(object, offset));
		break;
	case FIELD_U64:
		put_unsigned(buffer, field, field_u64(object, offset));
		break;
	case FIELD_U64_STRING:
		put_unsigned_string(buffer, field, field_u64(object, offset));
		break;
	case FIELD_BOOLEAN:
		put_boolean(buffer, field, field_u32(object, offset) != 0);
		break;
	case FIELD_FLAG:
		if ((field_u32(object, field->second_offset) & field->mask) != 0)
			put_boolean(buffer, field, true);
		break;
	case FIELD_KIND:
		put_text(buffer, field,
			 procobsrv_kind_name((enum procobsrv_kind)field_u32(object, offset)));
		break;
	case FIELD_TIME:
		put_time(buffer, field, (int64_t)field_u64(object, offset));
		break;
	case FIELD_TEXT:
		put_text(buffer, field, field_pointer(object, offset));
		break;
	case FIELD_VECTOR:
		put_vector(buffer, field, field_pointer(object, offset),
			   field_count(field, object));
		break;
	case FIELD_MISSING:
		put_missing(buffer, field, field_pointer(object, offset),
			    field_count(field, object));
		break;
	}
}

/*
 * What was written since `first` becomes an object: keys bear a comma before them, and the first of
 * these turns into the brace.
 */
static void close_object(struct buffer *buffer, size_t first)
{
	if (buffer->size > first)
		buffer->data[first] = '{';
	else
		buffer_append_character(buffer, '{');
	buffer_append_character(buffer, '}');
}

/* The members of a nested object, from `field` on; returns the field after them. */
static const struct field *put_group(struct buffer *buffer, const struct field *field,
				     const struct field *end, const void *object)
{
	size_t begin = buffer->size;

	buffer_append(buffer, ",\"", 2);
	buffer_append(buffer, field->name, strcspn(field->name, "."));
	buffer_append(buffer, "\":", 2);

	size_t first = buffer->size;

	for (; field < end && field->in_group; field++) {
		if (field_is_present(field, object))
			put_field(buffer, field, object);
	}
	if (buffer->size > first)
		close_object(buffer, first);
	else
		buffer->size = begin;
	return field;
}

/* Every field of the section that the object has, each with a comma before it. */
static void put_fields(struct buffer *buffer, enum field_section section, const void *object)
{
	const struct field *field = field_tables[section].fields;
	const struct field *end = field + field_tables[section].count;

	while (field < end) {
		if (field->in_group) {
			field = put_group(buffer, field, end, object);
			continue;
		}
		if (field_is_present(field, object))
			put_field(buffer, field, object);
		field++;
	}
}

static void put_object(struct buffer *buffer, const char *key, enum field_section section,
		       const void *object)
{
	if (object == NULL)
		return;
	buffer_append_text(buffer, key);

	size_t first = buffer->size;

	put_fields(buffer, section, object);
	close_object(buffer, first);
}

static void end_line(struct buffer *buffer)
{
	buffer_append(buffer, "}\n", 2);
}

void format_json_event(struct buffer *buffer, const struct procobsrv_event *event)
{
	buffer_append_text(buffer, LINE_BEGIN);
	put_fields(buffer, FIELDS_EVENT, event);
	put_object(buffer, ",\"process\":", FIELDS_PROCESS, event->process);
	put_object(buffer, ",\"parent\":", FIELDS_PARENT, event->parent);
	put_object(buffer, ",\"creator\":", FIELDS_CREATOR, event->creator);
	put_object(buffer, ",\"exit\":", FIELDS_EXIT, event->exit);
	put_object(buffer, ",\"attempt\":", FIELDS_ATTEMPT, event->attempt);
	put_object(buffer, ",\"error\":", FIELDS_ERROR, event->attempt);
	if (event->lost != NULL)
		put_fields(buffer, FIELDS_LOST, event->lost);
	end_line(buffer);
}

void format_json_process(struct buffer *buffer, const struct procobsrv_process *process)
{
	buffer_append_text(buffer, LINE_BEGIN ",\"kind\":\"existing\"");
	put_object(buffer, ",\"process\":", FIELDS_PROCESS, process);
	end_line(buffer);
}

static void put_named_text(struct buffer *buffer, const char *key, const char *text)
{
	if (text == NULL)
		return;
	buffer_append_text(buffer, key);
	json_append_string(buffer, text);
}

static void put_named_time(struct buffer *buffer, const char *key, int64_t wall_ns)
{
	if (wall_ns == 0)
		return;
	buffer_append_text(buffer, key);
	buffer_append_character(buffer, '"');
	buffer_append_time(buffer, wall_ns);
	buffer_append_character(buffer, '"');
}

static void put_named_number(struct buffer *buffer, const char *key, uint64_t value)
{
	buffer_append_text(buffer, key);
	buffer_append_unsigned(buffer, value);
}

void format_json_begin(struct buffer *buffer, const struct format_begin *begin)
{
	buffer_append_text(buffer, LINE_BEGIN ",\"kind\":\"begin\"");
	if (begin->seq > 0)
		put_named_number(buffer, ",\"seq\":", begin->seq);
	put_named_time(buffer, ",\"time\":", begin->time_ns);
	put_named_text(buffer, ",\"host\":", begin->host);
	put_named_text(buffer, ",\"boot\":", begin->boot);
	put_named_text(buffer, ",\"backend\":", begin->backend);
	put_named_text(buffer, ",\"version\":", begin->version);
	put_named_text(buffer, ",\"limits\":", begin->limits);
	end_line(buffer);
}

void format_json_end(struct buffer *buffer, const struct format_end *end)
{
	buffer_append_text(buffer, LINE_BEGIN ",\"kind\":\"end\"");
	put_named_number(buffer, ",\"seq\":", end->seq);
	put_named_time(buffer, ",\"time\":", end->time_ns);
	if (end->statistics != NULL) {
		put_named_number(buffer, ",\"observed\":", end->statistics->observed);
		put_named_number(buffer, ",\"delivered\":", end->statistics->delivered);
		put_named_number(buffer, ",\"filtered\":", end->statistics->filtered);
		put_named_number(buffer, ",\"lost\":", end->statistics->lost);
		if (end->statistics->pending > 0)
			put_named_number(buffer, ",\"pending\":", end->statistics->pending);
		put_named_number(buffer, ",\"synthetic\":", end->statistics->synthetic);
	}
	end_line(buffer);
}
