/* SPDX-License-Identifier: MIT */
#include "record_encode.h"

#include "event.h"
#include "record_build.h"

#include <string.h>

/* What a record has beside its strings, at most. */
#define PARTS_SIZE                                                                                 \
	(sizeof(struct record_header) + sizeof(struct record_body) + sizeof(struct record_start) + \
	 sizeof(struct record_image))

/* ---- where it stands ---- */

/* As hex.h writes it. strtoull() would take the 'x' of a sort for a prefix. */
static bool read_hex(const char **cursor, uint64_t *value)
{
	static const char digits[] = "0123456789abcdef";
	const char *begin = *cursor, *digit;

	*value = 0;
	for (; **cursor && (digit = strchr(digits, **cursor)); ++*cursor)
		*value = *value << 4 | (uint64_t)(digit - digits);
	return *cursor > begin;
}

bool record_encode_place(const char *cursor, struct record_place *place)
{
	struct record_place read;

	if (!read_hex(&cursor, &read.stream) || *cursor++ != ':' ||
	    !read_hex(&cursor, &read.position))
		return false;
	read.sort = *cursor;
	*place = read;
	return true;
}

/* ---- its parts ---- */

static struct record_identity identity_of(const struct procobsrv_process *process)
{
	return (struct record_identity){.pid = process->pid, .start_ns = process->start_boot_ns};
}

static void set_body(struct record_body *body, const struct procobsrv_event *event)
{
	record_build_body(body, event->process);
	if (event->parent && event->parent->pid == event->process->ppid)
		body->parent = identity_of(event->parent);
}

static void set_exit(struct record_exit *record, const struct procobsrv_exit *exit)
{
	if (exit->has_status) {
		record->code = exit->code;
		record->signal = exit->signal;
		record->flags |= exit->core_dumped ? RECORD_EXIT_CORE_DUMPED : 0;
	} else {
		record->flags |= RECORD_EXIT_STATUS_UNKNOWN;
	}
	if (exit->has_usage) {
		record->cpu_ns = exit->cpu_ns;
		record->user_ns = exit->user_ns;
		record->system_ns = exit->system_ns;
		record->max_rss_bytes = exit->max_rss_bytes;
		record->threads_unread = exit->threads_unread;
	} else {
		record->flags |= RECORD_EXIT_USAGE_UNKNOWN;
	}
}

/* What is not a vector, and so has no chunks, must fit into the record: the longest go first. */
static void limit_strings(struct record_image *image, struct record_bytes *strings)
{
	for (;;) {
		size_t sum = PARTS_SIZE;
		int longest = RECORD_STRING_EXE;

		for (int i = 0; i < RECORD_STRING_COUNT; i++) {
			sum += record_writer_inline_size(i, strings[i].size);
			if (i != RECORD_STRING_ARGV && i != RECORD_STRING_ENV &&
			    strings[i].size > strings[longest].size)
				longest = i;
		}
		if (sum <= RECORD_SIZE_MAX)
			return;
		strings[longest].size = 0;
		image->missing |= (uint32_t)RECORD_MISSING_TRUNCATED
				  << RECORD_MISSING_SHIFT(longest);
	}
}

/* What the parts of a record point to. */
struct pieces {
	struct record_start start;
	struct record_exit exit;
	struct record_attempt attempt;
	struct record_image image;
	struct record_bytes strings[RECORD_STRING_COUNT];
};

static void point_at_strings(struct pieces *parts, const struct buffer *scratch)
{
	const char *data = scratch->data ? scratch->data : "";

	for (int i = 0; i < RECORD_STRING_COUNT; i++) {
		parts->strings[i] = (struct record_bytes){data, parts->image.string_length[i]};
		data += parts->image.string_length[i];
	}
	limit_strings(&parts->image, parts->strings);
}

/* Returns the flags of the record. */
static uint32_t set_image(struct pieces *parts, struct buffer *scratch,
			  const struct procobsrv_process *process)
{
	bool wide = record_build_image(&parts->image, scratch, RECORD_EXISTING_SIZE_MAX, process);

	/* Nobody asked for it here, but a reader may. */
	if (!process->env && record_missing(&parts->image, RECORD_STRING_ENV) == RECORD_WHOLE)
		parts->image.missing |= (uint32_t)RECORD_MISSING_NOT_TAKEN
					<< RECORD_MISSING_SHIFT(RECORD_STRING_ENV);

	point_at_strings(parts, scratch);
	return wide ? RECORD_UTF16 : 0;
}

static void set_attempt(struct pieces *parts, struct buffer *scratch,
			const struct procobsrv_attempt *attempt)
{
	struct record_image *image = &parts->image;

	if (attempt->path)
		buffer_append(scratch, attempt->path, strlen(attempt->path));
	image->string_length[RECORD_STRING_FILENAME] = (uint32_t)scratch->size;
	for (size_t i = 0; i < attempt->argc; i++)
		buffer_append(scratch, attempt->argv[i], strlen(attempt->argv[i]) + 1);
	image->string_length[RECORD_STRING_ARGV] =
	    (uint32_t)scratch->size - image->string_length[RECORD_STRING_FILENAME];
	if (!attempt->argv)
		image->missing |= (uint32_t)RECORD_MISSING_UNREADABLE
				  << RECORD_MISSING_SHIFT(RECORD_STRING_ARGV);
	point_at_strings(parts, scratch);
}

/* ---- the record ---- */

static void encode_start(struct record_writer *writer, const struct procobsrv_event *event,
			 struct record_parts *parts, struct pieces *pieces, struct buffer *scratch)
{
	const struct procobsrv_process *process = event->process;
	pieces->start.creator = event->creator ? identity_of(event->creator) : parts->body->parent;
	parts->kind = RECORD_START;
	parts->start = &pieces->start;
	/* Where programs are started and not forked, one event tells both. */
	if (!(process->flags & PROCOBSRV_PROCESS_FORKED) &&
	    process->flags & PROCOBSRV_PROCESS_WTF8 && record_build_has_image(process)) {
		parts->flags = set_image(pieces, scratch, process);
		parts->image = &pieces->image;
	}
	record_writer_add(writer, parts);
}

static void encode_exec(struct record_writer *writer, const struct procobsrv_event *event,
			struct record_parts *parts, struct pieces *pieces, struct buffer *scratch)
{
	parts->kind = RECORD_EXEC;
	if (record_build_has_image(event->process)) {
		parts->flags = set_image(pieces, scratch, event->process);
		parts->image = &pieces->image;
	}
	record_writer_add(writer, parts);
}

static void encode_attempt(struct record_writer *writer, const struct procobsrv_event *event,
			   struct record_parts *parts, struct pieces *pieces,
			   struct buffer *scratch)
{
	parts->kind = RECORD_EXEC_FAILED;
	pieces->attempt.error = (uint32_t)event->attempt->error;
	parts->attempt = &pieces->attempt;
	if (event->attempt->path || event->attempt->argv) {
		set_attempt(pieces, scratch, event->attempt);
		parts->image = &pieces->image;
	}
	record_writer_add(writer, parts);
}

static void encode_exit(struct record_writer *writer, const struct procobsrv_event *event,
			struct record_parts *parts, struct pieces *pieces)
{
	if (event->exit)
		set_exit(&pieces->exit, event->exit);
	else
		pieces->exit.flags = RECORD_EXIT_STATUS_UNKNOWN | RECORD_EXIT_USAGE_UNKNOWN;
	parts->kind = RECORD_EXIT;
	parts->exit = &pieces->exit;
	record_writer_add(writer, parts);
}

bool record_encode(struct record_writer *writer, const struct procobsrv_event *event,
		   struct buffer *scratch)
{
	struct record_body body = {0};
	struct pieces pieces = {0};
	struct record_parts parts = {
	    .time_ns = event->boot_ns, .body = &body, .strings = pieces.strings};

	if (event->flags & PROCOBSRV_EVENT_SYNTHETIC)
		return false;
	if (event->kind == PROCOBSRV_LOST) {
		struct record_gap gap = record_encode_gap(event);
		record_writer_gap(writer, event->boot_ns, &gap);
		return true;
	}
	scratch->size = 0;
	set_body(&body, event);
	switch (event->kind) {
	case PROCOBSRV_START:
		encode_start(writer, event, &parts, &pieces, scratch);
		return true;
	case PROCOBSRV_EXEC:
		encode_exec(writer, event, &parts, &pieces, scratch);
		return true;
	case PROCOBSRV_EXEC_FAILED:
		encode_attempt(writer, event, &parts, &pieces, scratch);
		return true;
	case PROCOBSRV_EXIT:
		encode_exit(writer, event, &parts, &pieces);
		return true;
	default:
		return false;
	}
}

/* ---- gaps ---- */

struct gap_stage {
	const char *stage; /* as the library's report of a gap has them */
	const char *reason;
	uint32_t number;
};

static uint32_t stage_number(const struct procobsrv_lost *lost)
{
	static const struct gap_stage stages[] = {
	    {"kernel", "skipped by recursion", RECORD_GAP_SKIPPED},
	    {"kernel", NULL, RECORD_GAP_KERNEL},
	    {"queue", NULL, RECORD_GAP_QUEUE},
	    {"spill", NULL, RECORD_GAP_SPILL},
	    {"monitor", NULL, RECORD_GAP_MONITOR},
	};

	for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++)
		if (!strcmp(lost->stage, stages[i].stage) &&
		    (!stages[i].reason || !strcmp(lost->reason, stages[i].reason)))
			return stages[i].number;
	return RECORD_GAP_SOURCE;
}

/* An errno that makes the same reason of it again. */
static uint32_t detail_number(const struct procobsrv_lost *lost)
{
	if (!strcmp(lost->reason, "disk error"))
		return 5; /* EIO, on every system */
	if (!strcmp(lost->reason, "out of memory"))
		return 12; /* ENOMEM */
	return 0;
}

struct record_gap record_encode_gap(const struct procobsrv_event *event)
{
	const struct procobsrv_lost *lost = event->lost;
	/* What the wall clock stood at when the boot clock was 0. */
	int64_t offset = event->time_ns - (int64_t)event->boot_ns;
	struct record_gap gap = {
	    .unknown = lost->unknown,
	    .from_ns = lost->from_ns ? (uint64_t)(lost->from_ns - offset) : 0,
	    .to_ns = lost->to_ns ? (uint64_t)(lost->to_ns - offset) : 0,
	    .stage = stage_number(lost),
	    .detail = detail_number(lost),
	};

	gap.lost[RECORD_LOST_INDEX(RECORD_START)] = lost->start;
	gap.lost[RECORD_LOST_INDEX(RECORD_EXEC)] = lost->exec;
	gap.lost[RECORD_LOST_INDEX(RECORD_EXEC_FAILED)] = lost->exec_failed;
	gap.lost[RECORD_LOST_INDEX(RECORD_EXIT)] = lost->exit;
	return gap;
}
