/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the names, paths and arguments of a process. JSON must be one valid line of UTF-8;
 * text must be UTF-8 without anything that controls a terminal, and no wider than asked for.
 *
 * Input: four bytes that choose kind, flags and width, then strings ended by NUL.
 */
#include "format.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define STRINGS_MAX 24

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_characters(const char *text, size_t size)
{
	for (size_t at = 0; at < size;) {
		uint32_t character;

		at += utf8_decode(text + at, size - at, &character);
		require(character != UTF8_INVALID && !unicode_is_unsafe(character));
	}
}

/* A checker of JSON's grammar; returns the place after the value. */
static const char *check_value(const char *at, const char *end, int depth);

static const char *check_string(const char *at, const char *end)
{
	require(at < end && *at == '"');
	for (at++; at < end && *at != '"'; at++) {
		if (*at != '\\')
			continue;
		at++;
		require(at < end && strchr("\"\\bfnrtu", *at) != NULL);
		if (*at == 'u') {
			require(end - at > 4);
			require(strspn(at + 1, "0123456789abcdef") >= 4);
		}
	}
	require(at < end);
	return at + 1;
}

static const char *check_members(const char *at, const char *end, int depth, bool named)
{
	const char close = named ? '}' : ']';

	at++;
	if (at < end && *at == close)
		return at + 1;
	for (;;) {
		if (named) {
			at = check_string(at, end);
			require(at < end && *at++ == ':');
		}
		at = check_value(at, end, depth);
		require(at < end);
		if (*at == close)
			return at + 1;
		require(*at++ == ',');
	}
}

static const char *check_value(const char *at, const char *end, int depth)
{
	require(at < end && depth < 8);
	if (*at == '{' || *at == '[')
		return check_members(at, end, depth + 1, *at == '{');
	if (*at == '"')
		return check_string(at, end);
	if (end - at > 5 && memcmp(at, "true", 4) == 0)
		return at + 4;
	if (end - at > 5 && memcmp(at, "false", 5) == 0)
		return at + 5;

	const char *first = at + (*at == '-');

	for (at = first; at < end && *at >= '0' && *at <= '9'; at++)
		;
	require(at > first);
	return at;
}

static void check_json(const struct procobsrv_event *event,
		       void (*format)(struct buffer *buffer, const struct procobsrv_event *event))
{
	struct buffer buffer = BUFFER_EMPTY;

	format(&buffer, event);
	require(buffer.size > 0 && buffer.data[buffer.size - 1] == '\n');
	check_characters(buffer.data, buffer.size - 1);
	require(check_value(buffer.data, buffer.data + buffer.size, 0) ==
		buffer.data + buffer.size - 1);
	buffer_free(&buffer);
}

static void check_text(const struct procobsrv_event *event, unsigned columns)
{
	const struct format_text_options whole_options = {0};
	const struct format_text_options cut_options = {.columns = columns};
	struct buffer whole = BUFFER_EMPTY;
	struct buffer cut = BUFFER_EMPTY;

	format_text_event(&whole, event, &whole_options);
	format_text_event(&cut, event, &cut_options);
	require(whole.size > 0 && whole.data[whole.size - 1] == '\n');
	require(cut.size > 0 && cut.data[cut.size - 1] == '\n');
	check_characters(whole.data, whole.size - 1);
	require(cut.size <= whole.size && memcmp(cut.data, whole.data, cut.size - 1) == 0);
	require(columns == 0 || format_text_width(cut.data, cut.size - 1) <= columns);
	buffer_free(&whole);
	buffer_free(&cut);
}

static void check_escape(const char *text)
{
	struct buffer buffer = BUFFER_EMPTY;

	format_text_escape(&buffer, text);
	check_characters(buffer.data, buffer.size);
	buffer_free(&buffer);
}

/* Splits the text at its NULs; returns how many strings there are. */
static size_t split(char *text, size_t size, const char *strings[STRINGS_MAX + 1])
{
	size_t count = 0;

	for (size_t at = 0; at < size && count < STRINGS_MAX; at += strlen(text + at) + 1)
		strings[count++] = text + at;
	strings[count] = NULL;
	return count;
}

static void check_event(const uint8_t choice[4], const char *const *strings, size_t count)
{
	const struct procobsrv_missing missing = {"argv", strings[0]};
	const struct procobsrv_exit status = {.code = choice[1],
					      .signal = choice[2],
					      .has_status = choice[3] & 1,
					      .has_usage = choice[3] & 2};
	const struct procobsrv_attempt attempt = {
	    .path = strings[0], .argv = strings, .argc = count, .error = choice[1]};
	const struct procobsrv_lost lost = {.count = choice[1], .reason = strings[0]};
	struct procobsrv_process process = {
	    .id = "id",
	    .name = strings[0],
	    .present = choice[1] * 0x01010101u,
	    .flags = choice[2],
	    .pid = choice[3],
	    .exe = count > 1 ? strings[1] : NULL,
	    .cwd = count > 2 ? strings[2] : NULL,
	    .filename = count > 3 ? strings[3] : NULL,
	    .script = count > 4 ? strings[4] : NULL,
	    .interpreter = count > 5 ? strings[5] : NULL,
	    .cgroup = count > 6 ? strings[6] : NULL,
	    .argv = count > 7 ? strings + 7 : NULL,
	    .argc = count > 7 ? count - 7 : 0,
	    .env = strings,
	    .env_count = count,
	    .missing = &missing,
	    .missing_count = choice[2] & 1,
	    .pid_namespace = choice[1],
	};
	const enum procobsrv_kind kind = (enum procobsrv_kind)(choice[0] % 8);
	struct procobsrv_event event = {
	    .kind = kind,
	    .flags = choice[0] >> 7,
	    .cursor = "cursor",
	    .time_ns = (int64_t)(choice[3] * UINT64_C(0x0101010101010101)),
	    .process = &process,
	    .parent = (choice[0] & 8) != 0 ? &process : NULL,
	    .creator = (choice[0] & 16) != 0 ? &process : NULL,
	    .exit = kind == PROCOBSRV_EXIT ? &status : NULL,
	    .attempt = kind == PROCOBSRV_EXEC_FAILED ? &attempt : NULL,
	    .lost = kind == PROCOBSRV_LOST ? &lost : NULL,
	};

	check_json(&event, format_json_event);
	check_json(&event, format_ecs_event);
	check_text(&event, choice[3]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *strings[STRINGS_MAX + 1];
	size_t count;
	char *text;

	if (size < 5)
		return 0;
	text = malloc(size - 3);
	if (text == NULL)
		return 0;
	memcpy(text, data + 4, size - 4);
	text[size - 4] = 0;
	count = split(text, size - 4, strings);
	check_escape(strings[0]);
	check_event(data, strings, count);
	free(text);
	return 0;
}
