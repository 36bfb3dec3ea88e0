/* SPDX-License-Identifier: MIT */
/* Fields of events (lib/fields.h) as variables of an environment, or of an entry of the journal. */
#ifndef PROCOBSRV_SINKS_FIELD_TEXT_H
#define PROCOBSRV_SINKS_FIELD_TEXT_H

#include "buffer.h"
#include "fields.h"

/* "namespaces.user" becomes NAMESPACES_USER. */
void field_text_append_name(struct buffer *buffer, const char *name);

/* Numbers in decimal, booleans as 0 or 1, texts byte for byte, argv as a shell would need it. */
void field_text_append_value(struct buffer *buffer, const struct field *field,
			     const struct field_value *value);

#endif
