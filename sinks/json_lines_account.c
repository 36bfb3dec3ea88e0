/* SPDX-License-Identifier: MIT */
#include "json_lines_account.h"

#include "format.h"
#include "os.h"
#include "text_number.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void json_lines_account_next_file(struct json_lines_account *account)
{
	account->open = false;
	account->begin_ns = 0;
}

bool json_lines_account_has(const struct json_lines_account *account,
			    const struct procobsrv_event *event)
{
	struct record_cursor cursor = record_cursor_parse(event->cursor);

	if (!cursor.known || !account->known_stream || cursor.stream != account->stream)
		return false;
	/* A gap has its numbers, also where the record that it precedes is not there yet. */
	if (event->kind == PROCOBSRV_LOST && event->seq <= account->seq)
		return true;
	return record_cursor_is_repeat(&cursor, &account->last);
}

static bool is_numbered(const struct procobsrv_event *event)
{
	return event->kind != PROCOBSRV_EXISTING && !(event->flags & PROCOBSRV_EVENT_SYNTHETIC);
}

static void note_place(struct json_lines_account *account, const char *text)
{
	struct record_cursor cursor = record_cursor_parse(text);

	if (!cursor.known)
		return;
	if (!account->known_stream || cursor.stream != account->stream)
		account->last = (struct record_cursor){0};
	account->known_stream = true;
	account->stream = cursor.stream;
	if (!cursor.sort && (!account->last.known || cursor.position > account->last.position))
		account->last = cursor;
}

static void note_number(struct json_lines_account *account, uint64_t seq, bool numbered,
			uint64_t lost)
{
	if (seq > account->seq)
		account->seq = seq;
	account->lost += lost;
	account->delivered += numbered && !lost;
}

static bool is_other_stream(const struct json_lines_account *account,
			    const struct procobsrv_event *event)
{
	struct record_cursor cursor = record_cursor_parse(event->cursor);

	return cursor.known && (!account->known_stream || cursor.stream != account->stream);
}

/* The number before the event, as far as a first event tells: one without a number of its own bears
 * the last one; what comes before one with a number may have been filtered. */
static void begin(struct json_lines_account *account, const struct procobsrv_event *event,
		  struct buffer *buffer)
{
	char host[256];
	char boot[37] = "";
	int64_t now = os_wall_ns();

	if (is_other_stream(account, event))
		account->seq = is_numbered(event) ? 0 : event->seq;
	os_host_name(host, sizeof host);
	const struct format_begin line = {
	    .time_ns = now,
	    .host = host,
	    .boot = os_boot_id(boot) ? boot : NULL,
	    .backend = "resident",
	    .version = procobsrv_version(),
	    .seq = account->seq,
	};

	if (account->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_begin(buffer, &line);
	else
		format_json_begin(buffer, &line);
	account->open = true;
	account->begin_seq = account->seq;
	account->delivered = 0;
	account->lost = 0;
	if (!account->begin_ns)
		account->begin_ns = now;
}

void json_lines_account_append(struct json_lines_account *account,
			       const struct procobsrv_event *event, struct buffer *buffer)
{
	if (account->open && account->known_stream && is_other_stream(account, event))
		json_lines_account_end(account, buffer);
	if (!account->open)
		begin(account, event, buffer);
	if (account->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_event(buffer, event);
	else
		format_json_event(buffer, event);
	note_place(account, event->cursor);
	note_number(account, event->seq, is_numbered(event), event->lost ? event->lost->count : 0);
}

void json_lines_account_end(struct json_lines_account *account, struct buffer *buffer)
{
	uint64_t told = account->delivered + account->lost;
	uint64_t observed = account->seq - account->begin_seq;
	const struct procobsrv_statistics statistics = {
	    .observed = observed > told ? observed : told,
	    .delivered = account->delivered,
	    .lost = account->lost,
	    /* What has a number and came neither here nor into a gap, a filter took. */
	    .filtered = observed > told ? observed - told : 0,
	};
	const struct format_end line = {
	    .time_ns = os_wall_ns(), .seq = account->seq, .statistics = &statistics};

	if (!account->open)
		return;
	if (account->format == PROCOBSRV_FORMAT_ECS)
		format_ecs_end(buffer, &line);
	else
		format_json_end(buffer, &line);
	account->open = false;
}

static const char json_beginning[] = "{\"schema\":";
static const char ecs_beginning[] = "{\"@timestamp\":\"";

static bool begins_with(const char *text, size_t size, const char *beginning)
{
	size_t length = strlen(beginning);

	return memcmp(text, beginning, size < length ? size : length) == 0;
}

bool json_lines_account_is_ours(const char *text, size_t size)
{
	return begins_with(text, size, json_beginning) || begins_with(text, size, ecs_beginning);
}

/* A line that is read: what stands behind a key. Quotes within strings are escaped, so that no
 * process can put a key into its arguments. */
struct line {
	const char *at;
	size_t size;
};

static bool find(const struct line *line, const char *key, struct line *value)
{
	size_t length = strlen(key);
	const char *end = line->at + line->size, *at = line->at + 1;

	/* A key begins with a quote, of which lines are full: what follows that is looked for. */
	while (end - at >= (ptrdiff_t)length - 1 &&
	       (at = memchr(at, key[1], (size_t)(end - at))) != NULL) {
		if (end - at >= (ptrdiff_t)length - 1 && memcmp(at - 1, key, length) == 0) {
			value->at = at - 1 + length;
			value->size = (size_t)(end - value->at);
			return true;
		}
		at++;
	}
	return false;
}

static uint64_t find_number(const struct line *line, const char *key)
{
	struct line value;

	/* A line ends with a brace, so that the digits end before it does. */
	return find(line, key, &value) ? strtoull(value.at, NULL, 10) : 0;
}

static bool is_text(const struct line *value, const char *text)
{
	size_t length = strlen(text);

	return value->size > length && memcmp(value->at, text, length) == 0 &&
	       value->at[length] == '"';
}

/* 2026-11-22T06:13:00.123456789Z, to the second. */
static int64_t read_time(const struct line *value)
{
	int64_t second;

	return value->size > TEXT_SECOND_SIZE && text_read_second(value->at, &second)
		   ? second * 1000000000
		   : 0;
}

static void read_begin(struct json_lines_account *account, const struct line *line)
{
	struct line value;
	bool is_ecs = account->format == PROCOBSRV_FORMAT_ECS;

	/* A begin line of ECS has no number: it goes on from where the one before ended. */
	if (!is_ecs)
		account->seq = find_number(line, "\"seq\":");
	account->open = true;
	account->begin_seq = account->seq;
	account->delivered = 0;
	account->lost = 0;
	if (!account->begin_ns && find(line, is_ecs ? "\"@timestamp\":\"" : "\"time\":\"", &value))
		account->begin_ns = read_time(&value);
}

static void read_event(struct json_lines_account *account, const struct line *line,
		       const struct line *kind)
{
	bool is_ecs = account->format == PROCOBSRV_FORMAT_ECS;
	uint64_t seq = find_number(line, is_ecs ? "\"sequence\":" : "\"seq\":");
	struct line value;
	char cursor[64] = "";
	bool numbered;

	if (find(line, is_ecs ? "\"sequence\":" : "\"seq\":", &value) &&
	    find(&value, is_ecs ? "\"id\":\"" : "\"cursor\":\"", &value)) {
		memcpy(cursor, value.at,
		       value.size < sizeof cursor ? value.size : sizeof cursor - 1);
		cursor[strcspn(cursor, "\"")] = '\0';
	}
	numbered = !is_text(kind, "existing") && !find(line, "\"synthetic\":true", &value);
	note_place(account, cursor);
	note_number(account, seq, numbered,
		    is_text(kind, "lost") ? find_number(line, "\"count\":") : 0);
}

bool json_lines_account_read(struct json_lines_account *account, const char *text, size_t size)
{
	const struct line line = {text, size};
	struct line kind;

	if (size < sizeof json_beginning || text[size - 1] != '}')
		return false;
	account->format =
	    begins_with(text, size, json_beginning) ? PROCOBSRV_FORMAT_JSON : PROCOBSRV_FORMAT_ECS;
	if (!json_lines_account_is_ours(text, size) ||
	    !find(&line, account->format == PROCOBSRV_FORMAT_ECS ? "\"action\":\"" : "\"kind\":\"",
		  &kind))
		return false;
	if (is_text(&kind, "begin") || is_text(&kind, "observer-begin"))
		read_begin(account, &line);
	else if (is_text(&kind, "end") || is_text(&kind, "observer-end"))
		account->open = false;
	else
		read_event(account, &line, &kind);
	return true;
}
