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
#include "utf16.h"

#include <string.h>

#define STRINGIFY(text)	 #text
#define EXPAND(text)	 STRINGIFY(text)
#define LINE_BEGIN	 "{\"schema\":" EXPAND(FORMAT_SCHEMA)
#define SHORT_FIELD_SIZE (FIELD_KEY_SIZE + TEXT_TIME_SIZE + 4) /* a key and any short value */

/*
 * While a section is written, the place where the next byte goes is passed on and returned rather
 * than kept in the buffer, of which a compiler must think that every byte written may change it.
 * NULL is passed on as well: out of memory.
 */
static char *make_room(struct buffer *buffer, const char *out, size_t size)
{
	buffer->size = (size_t)(out - buffer->data);
	return buffer_reserve(buffer, size) ? buffer->data + buffer->size : NULL;
}

static inline char *room(struct buffer *buffer, char *out, size_t size)
{
	if (out == NULL || (size_t)(buffer->data + buffer->capacity - out) >= size)
		return out;
	return make_room(buffer, out, size);
}

/* For what writes to the buffer itself in between. */
static void store(struct buffer *buffer, const char *out)
{
	buffer->size = (size_t)(out - buffer->data);
}

static inline char *write_key(char *out, const struct field *field)
{
	memcpy(out, field->key, FIELD_KEY_SIZE);
	return out + field->key_length;
}

static inline char *write_signed(char *out, int32_t value)
{
	if (value < 0)
		*out++ = '-';
	return text_write_unsigned(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static inline char *write_boolean(char *out, bool value)
{
	memcpy(out, value ? "true" : "false", 5);
	return out + (value ? 4 : 5);
}

static inline char *write_quote(char *out)
{
	*out = '"';
	return out + 1;
}

/* An integer or what is made of one; there is room for it. */
static inline char *write_short_field(char *out, const struct field *field, const void *object)
{
	size_t offset = field->offset;

	switch ((enum field_type)field->type) {
	case FIELD_U32:
		return text_write_unsigned(write_key(out, field), field_u32(object, offset));
	case FIELD_I32:
		return write_signed(write_key(out, field), (int32_t)field_u32(object, offset));
	case FIELD_U64:
		return text_write_unsigned(write_key(out, field), field_u64(object, offset));
	case FIELD_U64_STRING:
		out = write_quote(write_key(out, field));
		return write_quote(text_write_unsigned(out, field_u64(object, offset)));
	case FIELD_BOOLEAN:
		return write_boolean(write_key(out, field), field_u32(object, offset) != 0);
	case FIELD_FLAG:
		return write_boolean(write_key(out, field), true); /* else it is not present */
	case FIELD_TIME:
		out = write_quote(write_key(out, field));
		return write_quote(text_write_time(out, (int64_t)field_u64(object, offset)));
	case FIELD_KIND:
	case FIELD_TEXT:
	case FIELD_VECTOR:
	case FIELD_MISSING:
		break;
	}
	return out;
}

/* The exact bytes of strings that are not UTF-8; for a vector each is ended by NUL. */
static void append_base64(struct buffer *buffer, const struct field *field,
			  const char *const *texts, size_t count, bool wide)
{
	struct base64 base64 = BASE64_INTO(buffer);
	struct buffer exact = BUFFER_EMPTY;
	bool terminated = field->type == FIELD_VECTOR;

	for (size_t at = 0; at < count; at++) {
		if (wide)
			utf16_append(&exact, texts[at], strlen(texts[at]));
		else
			buffer_append_text(&exact, texts[at]);
		if (terminated)
			buffer_append(&exact, "\0", wide ? 2 : 1);
	}
	buffer_append(buffer, field->key, field->key_length - strlen("\":"));
	buffer_append_text(buffer, "_base64\":\"");
	base64_append(&base64, exact.data, exact.size);
	base64_finish(&base64);
	buffer_append_character(buffer, '"');
	buffer->failed |= exact.failed;
	buffer_free(&exact);
}

/* Writes the value again, at `begin` in the buffer: surrogates that are alone become U+FFFD. */
static void rewrite_wide(struct buffer *buffer, size_t begin, bool is_vector,
			 const char *const *texts, size_t count)
{
	struct buffer utf8 = BUFFER_EMPTY;

	buffer->size = begin;
	if (is_vector)
		buffer_append_character(buffer, '[');
	for (size_t at = 0; at < count; at++) {
		utf8.size = 0;
		utf16_append_utf8(&utf8, texts[at], strlen(texts[at]));
		buffer_append_character(&utf8, 0);
		if (at > 0)
			buffer_append_character(buffer, ',');
		if (!utf8.failed)
			json_append_string(buffer, utf8.data);
	}
	if (is_vector)
		buffer_append_character(buffer, ']');
	buffer->failed |= utf8.failed;
	buffer_free(&utf8);
}

/* After a value that begins at `begin` and was found not to be UTF-8. */
static char *put_exact(struct buffer *buffer, char *out, size_t begin, const struct field *field,
		       const char *const *texts, size_t count, bool wide)
{
	store(buffer, out);
	if (wide)
		rewrite_wide(buffer, begin, field->type == FIELD_VECTOR, texts, count);
	append_base64(buffer, field, texts, count, wide);
	return buffer->data + buffer->size;
}

static inline char *put_text(struct buffer *buffer, char *out, const struct field *field,
			     const char *text, bool wide)
{
	bool valid = true;
	size_t size, begin;

	if (text == NULL)
		return out;
	size = strlen(text);
	out = room(buffer, write_key(out, field), size + 2);
	if (out == NULL)
		return NULL;
	begin = (size_t)(out - buffer->data);
	out = json_write_string(buffer, out, text, size, &valid);
	if (valid || out == NULL)
		return out;
	return put_exact(buffer, out, begin, field, &text, 1, wide);
}

static char *put_vector(struct buffer *buffer, char *out, const struct field *field,
			const char *const *texts, size_t count, bool wide)
{
	bool valid = true;
	size_t begin;

	if (texts == NULL)
		return out;
	out = write_key(out, field);
	begin = (size_t)(out - buffer->data);
	*out++ = '[';
	for (size_t at = 0; at < count; at++) {
		size_t size = strlen(texts[at]);

		out = room(buffer, out, size + 3);
		if (out == NULL)
			return NULL;
		*out = ',';
		out = json_write_string(buffer, out + (at > 0), texts[at], size, &valid);
	}
	out = room(buffer, out, 1);
	if (out == NULL)
		return NULL;
	*out++ = ']';
	return valid ? out : put_exact(buffer, out, begin, field, texts, count, wide);
}

static void append_missing(struct buffer *buffer, const struct procobsrv_missing *missing,
			   size_t count)
{
	for (size_t at = 0; at < count; at++) {
		buffer_append_text(buffer, at == 0 ? "[{\"field\":" : ",{\"field\":");
		json_append_string(buffer, missing[at].field);
		buffer_append_text(buffer, ",\"reason\":");
		json_append_string(buffer, missing[at].reason);
		buffer_append_character(buffer, '}');
	}
	buffer_append_character(buffer, ']');
}

static char *put_missing(struct buffer *buffer, char *out, const struct field *field,
			 const void *object)
{
	const struct procobsrv_missing *missing = field_pointer(object, field->offset);
	size_t count = field_count(field, object);

	if (missing == NULL || count == 0)
		return out;
	store(buffer, write_key(out, field));
	append_missing(buffer, missing, count);
	return buffer->data + buffer->size;
}

/* A field of any type; there is room for a short one. */
static inline char *put_field(struct buffer *buffer, char *out, const struct field *field,
			      const void *object, bool wide)
{
	switch ((enum field_type)field->type) {
	case FIELD_KIND:
		return put_text(
		    buffer, out, field,
		    procobsrv_kind_name((enum procobsrv_kind)field_u32(object, field->offset)),
		    false);
	case FIELD_TEXT:
		return put_text(buffer, out, field, field_pointer(object, field->offset), wide);
	case FIELD_VECTOR:
		return put_vector(buffer, out, field, field_pointer(object, field->offset),
				  field_count(field, object), wide);
	case FIELD_MISSING:
		return put_missing(buffer, out, field, object);
	default:
		return write_short_field(out, field, object);
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

/* Begins a nested object: ,"namespaces": */
static char *write_group_key(char *out, const struct field *field)
{
	size_t length = strcspn(field->name, ".");

	memcpy(out, ",\"", 2);
	memcpy(out + 2, field->name, length);
	memcpy(out + 2 + length, "\":", 2);
	return out + length + 4;
}

/* Whether the object's text was UTF-16. */
static inline bool is_wide(enum field_section section, const void *object)
{
	const struct procobsrv_process *process = object;

	return (section == FIELDS_PROCESS || section == FIELDS_PARENT ||
		section == FIELDS_CREATOR) &&
	       (process->flags & PROCOBSRV_PROCESS_WTF8) != 0;
}

/* Every field of the section that the object has, each with a comma before it. */
static void put_fields(struct buffer *buffer, enum field_section section, const void *object)
{
	const struct field *field = field_tables[section].fields;
	const struct field *end = field + field_tables[section].count;

	if (buffer->failed)
		return;
	char *out = buffer->data + buffer->size;
	bool wide = is_wide(section, object);
	size_t group = 0; /* where the members of a nested object begin; 0: not in one */

	for (; field < end; field++) {
		if (group > 0 && !field->in_group) {
			buffer->data[group] = '{';
			*out++ = '}';
			group = 0;
		}
		if (!field_is_present(field, object))
			continue;
		out = room(buffer, out, 2 * SHORT_FIELD_SIZE);
		if (out == NULL)
			return;
		if (group == 0 && field->in_group) {
			out = write_group_key(out, field);
			group = (size_t)(out - buffer->data);
		}
		out = put_field(buffer, out, field, object, wide);
		if (out == NULL)
			return;
	}
	store(buffer, out);
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
	if (begin->seq > 0 || begin->resident)
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
	}
	end_line(buffer);
}
