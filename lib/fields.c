/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include "nearest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* clang-format off */
#define KEY(text)	.key = ",\"" text "\":", .key_length = sizeof(",\"" text "\":") - 1

#define NUMBER(kind, holder, text, member)                                                         \
	{.name = text, KEY(text), .type = kind, .offset = offsetof(struct holder, member)}
#define NUMBER_IF_SET(kind, holder, text, member)                                                  \
	{.name = text, KEY(text), .type = kind, .offset = offsetof(struct holder, member),         \
	 .presence = FIELD_IF_SET}
#define NUMBER_IF(kind, holder, text, member, indicator, bits)                                     \
	{.name = text, KEY(text), .type = kind, .offset = offsetof(struct holder, member),         \
	 .presence = FIELD_IF_INDICATED, .second_offset = offsetof(struct holder, indicator),      \
	 .mask = (bits)}
#define FLAG(holder, text, bit)                                                                    \
	{.name = text, KEY(text), .type = FIELD_FLAG, .presence = FIELD_IF_INDICATED,              \
	 .second_offset = offsetof(struct holder, flags), .mask = (bit)}
#define TEXT(holder, text, member)                                                                 \
	{.name = text, KEY(text), .type = FIELD_TEXT,                            \
	 .offset = offsetof(struct holder, member)}
#define VECTOR(holder, text, member, counter)                                                      \
	{.name = text, KEY(text), .type = FIELD_VECTOR,                          \
	 .offset = offsetof(struct holder, member), .second_offset = offsetof(struct holder, counter)}
#define NAMESPACE(text)                                                                            \
	{.name = "namespaces." #text, KEY(#text), .type = FIELD_U32, .presence = FIELD_IF_SET,     \
	 .offset = offsetof(struct procobsrv_process, text##_namespace), .in_group = true}
/* clang-format on */

/* The order of each table is the order in JSON. */
static const struct field event_fields[] = {
    NUMBER(FIELD_KIND, procobsrv_event, "kind", kind),
    NUMBER(FIELD_U64, procobsrv_event, "seq", seq),
    TEXT(procobsrv_event, "cursor", cursor),
    NUMBER_IF_SET(FIELD_TIME, procobsrv_event, "time", time_ns),
    FLAG(procobsrv_event, "synthetic", PROCOBSRV_EVENT_SYNTHETIC),
};

#define PROCESS_NUMBER_IF(kind, text, member, bit)                                                 \
	NUMBER_IF(kind, procobsrv_process, text, member, present, bit)
#define PROCESS_FLAG(text, bit) FLAG(procobsrv_process, text, bit)
#define PROCESS_TEXT(member)	TEXT(procobsrv_process, #member, member)

static const struct field process_fields[] = {
    NUMBER(FIELD_U32, procobsrv_process, "pid", pid),
    PROCESS_TEXT(id),
    PROCESS_NUMBER_IF(FIELD_TIME, "start", start_time_ns, PROCOBSRV_HAS_START),
    PROCESS_TEXT(name),
    PROCESS_TEXT(exe),
    PROCESS_TEXT(exe_nt),
    PROCESS_TEXT(filename),
    PROCESS_TEXT(script),
    PROCESS_TEXT(interpreter),
    VECTOR(procobsrv_process, "argv", argv, argc),
    PROCESS_TEXT(command_line),
    VECTOR(procobsrv_process, "env", env, env_count),
    PROCESS_TEXT(cwd),
    PROCESS_NUMBER_IF(FIELD_U32, "uid", uid, PROCOBSRV_HAS_CREDENTIALS),
    PROCESS_NUMBER_IF(FIELD_U32, "gid", gid, PROCOBSRV_HAS_CREDENTIALS),
    PROCESS_NUMBER_IF(FIELD_U32, "euid", euid, PROCOBSRV_HAS_CREDENTIALS),
    PROCESS_NUMBER_IF(FIELD_U32, "egid", egid, PROCOBSRV_HAS_CREDENTIALS),
    PROCESS_NUMBER_IF(FIELD_U32, "loginuid", loginuid, PROCOBSRV_HAS_LOGINUID),
    PROCESS_NUMBER_IF(FIELD_U32, "session", session, PROCOBSRV_HAS_SESSION),
    PROCESS_TEXT(sid),
    PROCESS_NUMBER_IF(FIELD_U32, "session_leader", session_leader, PROCOBSRV_HAS_SESSION_LEADER),
    PROCESS_TEXT(tty),
    PROCESS_NUMBER_IF(FIELD_U64_STRING, "cgroup", cgroup_id, PROCOBSRV_HAS_CGROUP),
    TEXT(procobsrv_process, "cgroup_path", cgroup),
    PROCESS_TEXT(container_id),
    PROCESS_TEXT(runtime),
    PROCESS_TEXT(unit),
    PROCESS_NUMBER_IF(FIELD_U32, "ppid", ppid, PROCOBSRV_HAS_PPID),
    PROCESS_NUMBER_IF(FIELD_U32, "ns_pid", ns_pid, PROCOBSRV_HAS_NS_PID),
    PROCESS_NUMBER_IF(FIELD_U64_STRING, "exe_device", exe_device, PROCOBSRV_HAS_EXE_FILE),
    PROCESS_NUMBER_IF(FIELD_U64_STRING, "exe_inode", exe_inode, PROCOBSRV_HAS_EXE_FILE),
    NAMESPACE(pid),
    NAMESPACE(mount),
    NAMESPACE(user),
    NAMESPACE(network),
    NAMESPACE(uts),
    NAMESPACE(ipc),
    NAMESPACE(cgroup),
    NAMESPACE(time),
    PROCESS_FLAG("kernel_thread", PROCOBSRV_PROCESS_KERNEL_THREAD),
    PROCESS_FLAG("setuid", PROCOBSRV_PROCESS_SETUID),
    PROCESS_FLAG("setgid", PROCOBSRV_PROCESS_SETGID),
    PROCESS_FLAG("secure", PROCOBSRV_PROCESS_SECURE),
    PROCESS_FLAG("memfd", PROCOBSRV_PROCESS_MEMFD),
    PROCESS_FLAG("deleted", PROCOBSRV_PROCESS_DELETED),
    {.name = "missing",
     KEY("missing"),
     .type = FIELD_MISSING,
     .offset = offsetof(struct procobsrv_process, missing),
     .second_offset = offsetof(struct procobsrv_process, missing_count)},
};

/* Parent and creator tell who they are; what else they are, their own events tell. */
static const struct field reference_fields[] = {
    NUMBER(FIELD_U32, procobsrv_process, "pid", pid),
    PROCESS_TEXT(id),
    PROCESS_TEXT(name),
};

#define EXIT_STATUS(kind, text) NUMBER_IF(kind, procobsrv_exit, #text, text, has_status, UINT32_MAX)
#define EXIT_USAGE(text)	NUMBER_IF(FIELD_U64, procobsrv_exit, #text, text, has_usage, UINT32_MAX)

static const struct field exit_fields[] = {
    EXIT_STATUS(FIELD_U32, code),
    EXIT_STATUS(FIELD_U32, signal),
    EXIT_STATUS(FIELD_BOOLEAN, core_dumped),
    NUMBER_IF_SET(FIELD_U64, procobsrv_exit, "duration_ns", duration_ns),
    EXIT_USAGE(cpu_ns),
    EXIT_USAGE(user_ns),
    EXIT_USAGE(system_ns),
    EXIT_USAGE(max_rss_bytes),
    NUMBER_IF_SET(FIELD_U32, procobsrv_exit, "threads_unread", threads_unread),
};

static const struct field attempt_fields[] = {
    TEXT(procobsrv_attempt, "path", path),
    VECTOR(procobsrv_attempt, "argv", argv, argc),
};

static const struct field error_fields[] = {
    NUMBER(FIELD_I32, procobsrv_attempt, "errno", error),
    TEXT(procobsrv_attempt, "name", error_name),
};

/* JSON has these in the event itself. */
static const struct field lost_fields[] = {
    NUMBER(FIELD_U64, procobsrv_lost, "first", first),
    NUMBER(FIELD_U64, procobsrv_lost, "count", count),
    NUMBER(FIELD_U64, procobsrv_lost, "start", start),
    NUMBER(FIELD_U64, procobsrv_lost, "exec", exec),
    NUMBER_IF_SET(FIELD_U64, procobsrv_lost, "exec_failed", exec_failed),
    NUMBER(FIELD_U64, procobsrv_lost, "exit", exit),
    NUMBER_IF_SET(FIELD_U64, procobsrv_lost, "unknown", unknown),
    TEXT(procobsrv_lost, "stage", stage),
    TEXT(procobsrv_lost, "reason", reason),
    NUMBER_IF_SET(FIELD_TIME, procobsrv_lost, "from", from_ns),
    NUMBER_IF_SET(FIELD_TIME, procobsrv_lost, "to", to_ns),
};

#define OF_PROCESSES (PROCOBSRV_KINDS_ALL & ~PROCOBSRV_KIND_BIT(PROCOBSRV_LOST))
#define OF(kind)     PROCOBSRV_KIND_BIT(kind)

const struct field_table field_tables[FIELDS_SECTIONS] = {
    [FIELDS_EVENT] = {"", event_fields, LENGTH(event_fields), PROCOBSRV_KINDS_ALL},
    [FIELDS_PROCESS] = {"process.", process_fields, LENGTH(process_fields), OF_PROCESSES},
    [FIELDS_PARENT] = {"parent.", reference_fields, LENGTH(reference_fields), OF_PROCESSES},
    [FIELDS_CREATOR] = {"creator.", reference_fields, LENGTH(reference_fields), OF_PROCESSES},
    [FIELDS_EXIT] = {"exit.", exit_fields, LENGTH(exit_fields), OF(PROCOBSRV_EXIT)},
    [FIELDS_ATTEMPT] = {"attempt.", attempt_fields, LENGTH(attempt_fields),
			OF(PROCOBSRV_EXEC_FAILED)},
    [FIELDS_ERROR] = {"error.", error_fields, LENGTH(error_fields), OF(PROCOBSRV_EXEC_FAILED)},
    [FIELDS_LOST] = {"lost.", lost_fields, LENGTH(lost_fields), OF(PROCOBSRV_LOST)},
};

#define FIELD_COUNT                                                                                \
	(LENGTH(event_fields) + LENGTH(process_fields) + 2 * LENGTH(reference_fields) +            \
	 LENGTH(exit_fields) + LENGTH(attempt_fields) + LENGTH(error_fields) +                     \
	 LENGTH(lost_fields))
#define NAME_SIZE 40

const void *field_object(const struct procobsrv_event *event, enum field_section section)
{
	switch (section) {
	case FIELDS_EVENT:
		return event;
	case FIELDS_PROCESS:
		return event->process;
	case FIELDS_PARENT:
		return event->parent;
	case FIELDS_CREATOR:
		return event->creator;
	case FIELDS_EXIT:
		return event->exit;
	case FIELDS_ATTEMPT:
	case FIELDS_ERROR:
		return event->attempt;
	case FIELDS_LOST:
		return event->lost;
	case FIELDS_SECTIONS:
		break;
	}
	return NULL;
}

enum field_value_type field_value_type(const struct field *field)
{
	switch ((enum field_type)field->type) {
	case FIELD_BOOLEAN:
	case FIELD_FLAG:
		return FIELD_VALUE_BOOLEAN;
	case FIELD_U32:
	case FIELD_I32:
	case FIELD_U64:
	case FIELD_U64_STRING:
		return FIELD_VALUE_NUMBER;
	case FIELD_VECTOR:
	case FIELD_MISSING:
		return FIELD_VALUE_TEXTS;
	case FIELD_KIND:
	case FIELD_TIME:
	case FIELD_TEXT:
		break;
	}
	return FIELD_VALUE_TEXT;
}

static bool set_text(struct field_value *value, const char *text)
{
	if (text == NULL)
		return false;
	value->text = text;
	value->size = strlen(text);
	return true;
}

static bool set_signed(struct field_value *value, int32_t number)
{
	value->negative = number < 0;
	value->number = number < 0 ? -(uint64_t)number : (uint64_t)number;
	return true;
}

static bool set_number(struct field_value *value, uint64_t number)
{
	value->negative = false;
	value->number = number;
	return true;
}

bool field_read(const struct field *field, const void *object, struct field_value *value)
{
	/* A flag that is not set is false, though JSON leaves it out. */
	if (field->type != FIELD_FLAG && !field_is_present(field, object))
		return false;
	switch ((enum field_type)field->type) {
	case FIELD_U32:
		return set_number(value, field_u32(object, field->offset));
	case FIELD_I32:
		return set_signed(value, (int32_t)field_u32(object, field->offset));
	case FIELD_U64:
	case FIELD_U64_STRING:
		return set_number(value, field_u64(object, field->offset));
	case FIELD_BOOLEAN:
		value->boolean = field_u32(object, field->offset) != 0;
		return true;
	case FIELD_FLAG:
		value->boolean = field_is_present(field, object);
		return true;
	case FIELD_KIND:
		return set_text(value, procobsrv_kind_name(
					   (enum procobsrv_kind)field_u32(object, field->offset)));
	case FIELD_TIME:
		text_write_time(value->scratch, (int64_t)field_u64(object, field->offset));
		value->text = value->scratch;
		value->size = TEXT_TIME_SIZE;
		return true;
	case FIELD_TEXT:
		return set_text(value, field_pointer(object, field->offset));
	case FIELD_VECTOR:
		value->missing = NULL;
		value->texts = field_pointer(object, field->offset);
		value->count = field_count(field, object);
		return value->texts != NULL;
	case FIELD_MISSING:
		value->texts = NULL;
		value->missing = field_pointer(object, field->offset);
		value->count = field_count(field, object);
		return value->missing != NULL && value->count > 0;
	}
	return false;
}

const char *field_value_text(const struct field_value *value, size_t index)
{
	return value->texts != NULL ? value->texts[index] : value->missing[index].field;
}

static bool find_in(enum field_section section, const char *name, size_t length,
		    const struct field **field)
{
	const struct field_table *table = &field_tables[section];

	for (size_t at = 0; at < table->count; at++) {
		if (strlen(table->fields[at].name) == length &&
		    memcmp(table->fields[at].name, name, length) == 0) {
			*field = &table->fields[at];
			return true;
		}
	}
	return false;
}

bool field_find(const char *name, size_t length, enum field_section *section,
		const struct field **field)
{
	/* The event's own come first, then those with their section's name before them. */
	for (enum field_section at = 0; at < FIELDS_SECTIONS; at++) {
		size_t prefix = strlen(field_tables[at].prefix);

		if (length > prefix && memcmp(name, field_tables[at].prefix, prefix) == 0 &&
		    find_in(at, name + prefix, length - prefix, field)) {
			*section = at;
			return true;
		}
	}
	if (!find_in(FIELDS_PROCESS, name, length, field))
		return false;
	*section = FIELDS_PROCESS;
	return true;
}

static char names[FIELD_COUNT][NAME_SIZE];
static const char *name_pointers[FIELD_COUNT + 1];

static void fill_names(void)
{
	size_t at = 0;

	for (enum field_section section = 0; section < FIELDS_SECTIONS; section++) {
		const struct field_table *table = &field_tables[section];

		for (size_t i = 0; i < table->count; i++, at++) {
			snprintf(names[at], NAME_SIZE, "%s%s", table->prefix,
				 table->fields[i].name);
			name_pointers[at] = names[at];
		}
	}
}

const char *const *field_names(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill_names);
	return name_pointers;
}

/* What both begin with, up to a dot, is no likeness: process.zzzz is not nearly process.name. */
static size_t common_part(const char *name, size_t length, const char *candidate)
{
	size_t part = 0;

	for (size_t at = 0; at < length && name[at] == candidate[at]; at++)
		if (name[at] == '.')
			part = at + 1;
	return part;
}

const char *field_nearest(const char *name, size_t length)
{
	const char *best = NULL;
	size_t best_edits = SIZE_MAX;

	for (const char *const *at = field_names(); *at != NULL; at++) {
		const char *candidates[] = {*at, strrchr(*at, '.')};

		for (size_t i = 0; i < LENGTH(candidates) && candidates[i] != NULL; i++) {
			const char *candidate = candidates[i] + (candidates[i][0] == '.');
			size_t part = common_part(name, length, candidate);
			size_t edits = nearest_edits(name + part, length - part, candidate + part,
						     strlen(candidate + part));

			if (edits < best_edits) {
				best = *at;
				best_edits = edits;
			}
		}
	}
	return best;
}
