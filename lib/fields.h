/* SPDX-License-Identifier: MIT */
/*
 * The fields of an event by name: one table that the JSON writer and match expressions share, so
 * that what one prints is what the other matches.
 */
#ifndef PROCOBSRV_LIB_FIELDS_H
#define PROCOBSRV_LIB_FIELDS_H

#include "procobsrv.h"
#include "text_number.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
	FIELD_U32,
	FIELD_I32,
	FIELD_U64,
	FIELD_U64_STRING, /* a number that can pass 2^53: a string in JSON */
	FIELD_BOOLEAN,	  /* a uint32_t, 0 or 1 */
	FIELD_FLAG,	  /* a bit of a uint32_t: in JSON only where it is set */
	FIELD_KIND,	  /* an enum procobsrv_kind: its name */
	FIELD_TIME,	  /* int64_t wall clock */
	FIELD_TEXT,	  /* const char *, absent if NULL */
	FIELD_VECTOR,	  /* const char *const *, absent if NULL; a size_t counts it */
	FIELD_MISSING,	  /* const struct procobsrv_missing *; a size_t counts it */
};

/* When an integer is known. */
enum field_presence {
	FIELD_ALWAYS,
	FIELD_IF_SET,	   /* it is not 0 */
	FIELD_IF_INDICATED /* a bit of `mask` is set in the uint32_t at `second_offset` */
};

#define FIELD_KEY_SIZE 24 /* a fixed size is copied without a call */

struct field {
	const char *name;	  /* within its section: "pid", "namespaces.user" */
	char key[FIELD_KEY_SIZE]; /* as JSON has it before the value: ,"pid": */
	uint16_t offset;	  /* of the value in its struct */
	uint16_t second_offset;	  /* of the count, of the flags or of the presence bits */
	uint32_t mask;		  /* of the flag or of the presence bits */
	uint8_t key_length;	  /* bytes */
	uint8_t type;		  /* enum field_type */
	uint8_t presence;	  /* enum field_presence */
	bool in_group;		  /* name has a dot: a member of a nested object of JSON */
};

enum field_section {
	FIELDS_EVENT,
	FIELDS_PROCESS,
	FIELDS_PARENT,
	FIELDS_CREATOR,
	FIELDS_EXIT,
	FIELDS_ATTEMPT,
	FIELDS_ERROR,
	FIELDS_LOST,
	FIELDS_SECTIONS,
};

struct field_table {
	const char *prefix; /* "process."; empty for the event's own */
	const struct field *fields;
	size_t count;
	uint32_t kinds; /* of the events that can have them: mask of PROCOBSRV_KIND_BIT */
};

extern const struct field_table field_tables[FIELDS_SECTIONS];

/* The struct that holds a section's fields in this event; NULL: it has none. */
const void *field_object(const struct procobsrv_event *event, enum field_section section);

/* Members by their offset. */
static inline uint32_t field_u32(const void *object, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const char *)object + offset, sizeof value);
	return value;
}

static inline uint64_t field_u64(const void *object, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)object + offset, sizeof value);
	return value;
}

static inline const void *field_pointer(const void *object, size_t offset)
{
	const void *value;

	memcpy(&value, (const char *)object + offset, sizeof value);
	return value;
}

static inline size_t field_count(const struct field *field, const void *object)
{
	size_t value;

	memcpy(&value, (const char *)object + field->second_offset, sizeof value);
	return value;
}

/* Whether an integer is known; texts and vectors are where their pointer is not NULL. */
static inline bool field_is_present(const struct field *field, const void *object)
{
	if (field->presence == FIELD_ALWAYS)
		return true;
	if (field->presence == FIELD_IF_INDICATED)
		return (field_u32(object, field->second_offset) & field->mask) != 0;
	return field->type == FIELD_U32 ? field_u32(object, field->offset) != 0
					: field_u64(object, field->offset) != 0;
}

/* A field's value, for those who compare: numbers, texts, or several texts. */
enum field_value_type {
	FIELD_VALUE_BOOLEAN,
	FIELD_VALUE_NUMBER,
	FIELD_VALUE_TEXT,
	FIELD_VALUE_TEXTS, /* of a vector, or the names of what is missing */
};

struct field_value {
	bool boolean;
	bool negative; /* number is the amount below 0 */
	uint64_t number;
	const char *text; /* lent by the event, or points to `scratch` */
	size_t size;
	const char *const *texts; /* of FIELD_VECTOR */
	const struct procobsrv_missing *missing;
	size_t count;
	char scratch[TEXT_TIME_SIZE + 2];
};

enum field_value_type field_value_type(const struct field *field);

/* Reads a field of its object; false: the object does not have it, and *value is not written. */
bool field_read(const struct field *field, const void *object, struct field_value *value);

/* The text at `index` of a FIELD_VALUE_TEXTS. */
const char *field_value_text(const struct field_value *value, size_t index);

/*
 * Finds "process.pid", or "pid" for short, which stands for process.pid; false: there is none.
 */
bool field_find(const char *name, size_t length, enum field_section *section,
		const struct field **field);

/* Full names of all fields, ended by NULL. Static. */
const char *const *field_names(void);

/* The known name that is spelled most like this one; NULL: none is near. Static text. */
const char *field_nearest(const char *name, size_t length);

#endif
