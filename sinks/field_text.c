/* SPDX-License-Identifier: MIT */
#include "field_text.h"

#include "format.h"

#include <ctype.h>

void field_text_append_name(struct buffer *buffer, const char *name)
{
	for (; *name; name++)
		buffer_append_character(buffer,
					*name == '.' ? '_' : (char)toupper((unsigned char)*name));
}

static void append_texts(struct buffer *buffer, const struct field_value *value)
{
	if (value->texts) {
		format_text_argv(buffer, value->texts, value->count);
		return;
	}
	for (size_t at = 0; at < value->count; at++) {
		if (at)
			buffer_append_text(buffer, ", ");
		buffer_append_text(buffer, value->missing[at].field);
		buffer_append_text(buffer, " (");
		buffer_append_text(buffer, value->missing[at].reason);
		buffer_append_character(buffer, ')');
	}
}

void field_text_append_value(struct buffer *buffer, const struct field *field,
			     const struct field_value *value)
{
	switch (field_value_type(field)) {
	case FIELD_VALUE_BOOLEAN:
		buffer_append_character(buffer, value->boolean ? '1' : '0');
		break;
	case FIELD_VALUE_NUMBER:
		if (value->negative)
			buffer_append_character(buffer, '-');
		buffer_append_unsigned(buffer, value->number);
		break;
	case FIELD_VALUE_TEXT:
		buffer_append(buffer, value->text, value->size);
		break;
	case FIELD_VALUE_TEXTS:
		append_texts(buffer, value);
		break;
	}
}
