/* SPDX-License-Identifier: MIT */
/* What the account needs of a line. */
#include "json_scan.h"
#include "ledger.h"

#include <string.h>

static void copy(char *to, size_t size, const struct json_piece *piece)
{
	size_t length = piece->size < size - 1 ? piece->size : size - 1;

	memcpy(to, piece->text, length);
	to[length] = 0;
}

/* FNV-1a, 64 bits; never 0. */
static uint64_t hash(const struct json_piece *piece)
{
	uint64_t value = 0xcbf29ce484222325;

	for (size_t index = 0; index < piece->size; index++)
		value = (value ^ (unsigned char)piece->text[index]) * 0x100000001b3;
	return value ? value : 1;
}

static bool key_is(const struct json_piece *key, const char *name)
{
	return json_piece_is(key, name);
}

static bool take_number(const struct json_piece *key, const struct json_piece *value,
			struct ledger_line *line)
{
	const struct {
		const char *name;
		uint64_t *number;
	} numbers[] = {
	    {"schema", &line->schema},	   {"seq", &line->seq},
	    {"first", &line->first},	   {"count", &line->count},
	    {"observed", &line->observed}, {"delivered", &line->delivered},
	    {"filtered", &line->filtered}, {"lost", &line->lost},
	    {"pending", &line->pending},
	};

	for (size_t index = 0; index < sizeof(numbers) / sizeof(*numbers); index++)
		if (key_is(key, numbers[index].name))
			return json_piece_unsigned(value, numbers[index].number);
	return false;
}

/* The counts by kind of a lost line. */
static void add_kind(const struct json_piece *key, const struct json_piece *value,
		     struct ledger_line *line)
{
	static const char *const names[] = {"start", "exec", "exec_failed", "exit", "unknown"};
	uint64_t number;

	for (size_t index = 0; index < sizeof(names) / sizeof(*names); index++)
		if (key_is(key, names[index]) && json_piece_unsigned(value, &number))
			line->kinds_sum += number;
}

static void take_text(const struct json_piece *key, const struct json_piece *value,
		      struct ledger_line *line)
{
	const struct {
		const char *name;
		char *text;
		size_t size;
	} texts[] = {
	    {"kind", line->kind, sizeof(line->kind)},
	    {"host", line->host, sizeof(line->host)},
	    {"boot", line->boot, sizeof(line->boot)},
	    {"backend", line->backend, sizeof(line->backend)},
	    {"time", line->time, sizeof(line->time)},
	    {"stage", line->stage, sizeof(line->stage)},
	    {"reason", line->reason, sizeof(line->reason)},
	    {"from", line->from, sizeof(line->from)},
	    {"to", line->to, sizeof(line->to)},
	};

	for (size_t index = 0; index < sizeof(texts) / sizeof(*texts); index++)
		if (key_is(key, texts[index].name))
			copy(texts[index].text, texts[index].size, value);
}

static void on_member(const struct json_piece *key, const struct json_piece *value, void *param)
{
	struct ledger_line *line = param;

	if (value->type == JSON_NUMBER) {
		if (!take_number(key, value, line))
			add_kind(key, value, line);
	} else if (value->type == JSON_STRING) {
		if (key_is(key, "cursor"))
			line->cursor = hash(value);
		else
			take_text(key, value, line);
	} else if (key_is(key, "synthetic")) {
		line->synthetic = value->type == JSON_TRUE;
	}
}

bool ledger_read_line(const char *text, size_t size, struct ledger_line *line)
{
	memset(line, 0, sizeof(*line));
	line->seq = line->schema = line->first = line->count = UINT64_MAX;
	line->observed = line->delivered = line->filtered = line->lost = UINT64_MAX;
	line->pending = 0;
	if (!json_scan(text, size, on_member, line))
		return false;
	return line->kind[0] && line->schema != UINT64_MAX;
}
