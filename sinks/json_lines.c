/* SPDX-License-Identifier: MIT */
/*
 * JSON lines in files, rotated by size and age. Each file begins with a begin line and ends with an
 * end line, so that `consctl verify` can tell of each, and of all of them in the order of their
 * names, whether something is missing. What is written twice by others is written once here: where
 * the kernel's stream was left, the last file tells (docs/decisions/075-files-of-json-lines.md).
 */
#include "error.h"
#include "json_lines_file.h"
#include "json_lines_old.h"
#include "os.h"
#include "sink.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH,
	FORMAT,
	ROTATE_SIZE,
	ROTATE_AGE,
	KEEP,
	MODE,
	GROUP,
	SYNC,
	SETTING_COUNT_OF,
};

static const struct setting settings[] = {
    [PATH] = {"path", SETTING_PATH, .initial = line_file_initial},
    [FORMAT] = {"format", SETTING_TEXT, .initial = "json"},
    [ROTATE_SIZE] = {"rotate-size", SETTING_SIZE, .initial = "100M"},
    [ROTATE_AGE] = {"rotate-age", SETTING_DURATION, .initial = "1d"},
    [KEEP] = {"keep", SETTING_COUNT, .initial = "14", .most = 10000},
    [MODE] = {"mode", SETTING_TEXT, .initial = "0640"},
    [GROUP] = {"group", SETTING_TEXT},
    [SYNC] = {"sync", SETTING_DURATION, .initial = "1s"},
    [SETTING_COUNT_OF] = {0},
};

struct sink {
	struct line_file_place place;
	char *path;
	char *group; /* NULL: none is set */
	enum procobsrv_format format;
	uint64_t rotate_size; /* bytes; 0: not by size */
	uint64_t rotate_age;  /* nanoseconds; 0: not by age */
	uint64_t keep;
	uint64_t sync_ns; /* 0: left to the system */
	struct json_lines_file file;
	struct json_lines_account account;
	struct buffer buffer;
	uint64_t begun_ns;  /* os_monotonic_ns() when the file was begun, as far as is known */
	uint64_t synced_ns; /* the same when it was last brought to the disk */
	bool dirty;	    /* written since then */
	bool held;	    /* a rotation failed: tend() tells, and tries again */
	_Atomic uint64_t written;
	_Atomic uint64_t failures;
	_Atomic uint64_t suppressed;
	_Atomic uint64_t size;
	_Atomic uint64_t old_size;
	_Atomic int64_t oldest_ns;
};

static int read_format(const struct setting_value *value, enum procobsrv_format *format)
{
	if (!strcmp(value->text, "json"))
		*format = PROCOBSRV_FORMAT_JSON;
	else if (!strcmp(value->text, "ecs"))
		*format = PROCOBSRV_FORMAT_ECS;
	else
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "format: '%s' is not json or ecs",
				 value->text);
	return 0;
}

static int read_mode(const struct setting_value *value, unsigned *mode)
{
	char *end;
	unsigned long number = strtoul(value->text, &end, 8);

	if (*end || value->text[0] < '0' || value->text[0] > '7' || number > 0666 ||
	    (number & 0600) != 0600)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "mode: '%s' is not one like 0640, which lets the owner read and "
				 "write, and nobody run it",
				 value->text);
	*mode = (unsigned)number;
	return 0;
}

static int check_values(const struct setting_value *values, size_t *wrong)
{
	enum procobsrv_format format;
	size_t setting = FORMAT;
	unsigned mode;
	int error = 0;

	if (values[FORMAT].set)
		error = read_format(&values[FORMAT], &format);
	if (!error && values[MODE].set) {
		setting = MODE;
		error = read_mode(&values[MODE], &mode);
	}
	if (error)
		*wrong = setting;
	return error;
}

static int keep_texts(const struct setting_value *values, struct sink *sink)
{
	const struct setting_value *group = &values[GROUP];

	sink->path = strdup(values[PATH].text);
	sink->group = group->set ? strdup(group->text) : NULL;
	if (!sink->path || (group->set && !sink->group))
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path");
	sink->place.path = sink->path;
	sink->place.group = sink->group;
	return 0;
}

static int read_settings(const struct setting_value *values, struct sink *sink)
{
	int error = read_format(&values[FORMAT], &sink->format);

	if (!error)
		error = read_mode(&values[MODE], &sink->place.mode);
	if (!error)
		error = keep_texts(values, sink);
	if (!error)
		error = line_file_check_group(sink->group);
	sink->rotate_size = values[ROTATE_SIZE].number;
	sink->rotate_age = values[ROTATE_AGE].number;
	sink->keep = values[KEEP].number;
	sink->sync_ns = values[SYNC].number;
	return error;
}

static int prune(struct sink *sink)
{
	struct json_lines_old old;
	int error = json_lines_old_prune(sink->path, sink->keep, &old);
	int64_t oldest_ns = old.oldest ? json_lines_file_begin_ns(old.oldest) : 0;

	free(old.oldest);
	sink->old_size = old.bytes;
	sink->oldest_ns = oldest_ns ? oldest_ns : sink->account.begin_ns;
	return error;
}

/* Writes the end line of a run that is open; the account changes only if that succeeds. */
static int write_end(struct sink *sink)
{
	struct json_lines_account ended = sink->account;
	int error;

	if (!ended.open)
		return 0;
	sink->buffer.size = 0;
	json_lines_account_end(&ended, &sink->buffer);
	error = json_lines_file_append(&sink->place, &sink->file, &sink->buffer);
	if (!error)
		sink->account = ended;
	return error;
}

static int put_aside(struct sink *sink)
{
	int error = write_end(sink);

	if (!error)
		error = json_lines_file_put_aside(&sink->place, &sink->file);
	if (!error)
		json_lines_account_next_file(&sink->account);
	return error;
}

/* How long ago the file was begun; a clock that was set back since then does not count. */
static void note_age(struct sink *sink)
{
	uint64_t now = os_monotonic_ns();
	int64_t passed = os_wall_ns() - sink->account.begin_ns;

	sink->begun_ns = now;
	if (sink->account.begin_ns && passed > 0)
		sink->begun_ns = (uint64_t)passed < now ? now - (uint64_t)passed : 0;
}

/* Opens the file, completes what a run that was cut off has left, and sees to the format. */
static int open_file(struct sink *sink)
{
	int error;

	sink->account.format = sink->format;
	error = json_lines_file_open(&sink->place, &sink->file, &sink->account);
	if (error)
		return error;
	error = write_end(sink);
	if (!error && sink->account.format != sink->format) {
		error = put_aside(sink);
		sink->account.format = sink->format;
		if (!error)
			error = json_lines_file_open(&sink->place, &sink->file, &sink->account);
	}
	if (error) {
		json_lines_file_close(&sink->file);
		return error;
	}
	note_age(sink);
	sink->size = sink->file.size;
	return 0;
}

static bool is_due(const struct sink *sink, uint64_t more)
{
	if (!sink->file.size)
		return false;
	if (sink->rotate_size && sink->file.size + more > sink->rotate_size)
		return true;
	return sink->rotate_age && os_monotonic_ns() - sink->begun_ns >= sink->rotate_age;
}

/* After that there may be no file open: the next write tries again. */
static int rotate(struct sink *sink)
{
	int error = put_aside(sink);

	if (error)
		return error;
	sink->size = 0;
	error = open_file(sink);
	if (!error)
		error = prune(sink);
	return error;
}

static int ensure_file(struct sink *sink)
{
	if (!sink->file.lines)
		return open_file(sink);
	/* Somebody emptied it (logrotate's copytruncate): it begins anew. */
	if (json_lines_file_is_cut(&sink->file)) {
		json_lines_file_close(&sink->file);
		return open_file(sink);
	}
	return 0;
}

static void close_sink(struct sink *sink);

static int open_sink(const struct setting_value *values, struct sink **opened)
{
	struct sink *sink = calloc(1, sizeof *sink);
	int error;

	if (!sink)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a sink");
	error = read_settings(values, sink);
	if (!error)
		error = open_file(sink);
	if (!error)
		error = prune(sink);
	if (error) {
		close_sink(sink);
		return error;
	}
	*opened = sink;
	return 0;
}

/* Appends the lines of those that are not in the files yet to the buffer. */
static uint64_t format_events(struct sink *sink, struct json_lines_account *account,
			      const struct procobsrv_event *const *events, size_t count)
{
	uint64_t repeats = 0;

	sink->buffer.size = 0;
	for (size_t at = 0; at < count; at++) {
		if (json_lines_account_has(account, events[at]))
			repeats++;
		else
			json_lines_account_append(account, events[at], &sink->buffer);
	}
	return repeats;
}

static int append_events(struct sink *sink, const struct procobsrv_event *const *events,
			 size_t count)
{
	struct json_lines_account account = sink->account;
	uint64_t repeats = format_events(sink, &account, events, count);
	int error;

	if (is_due(sink, sink->buffer.size)) {
		/* If it cannot be rotated, it grows beyond its size rather than lose anything. */
		sink->held = rotate(sink) != 0;
		error = ensure_file(sink);
		if (error)
			return error;
		account = sink->account;
		repeats = format_events(sink, &account, events, count);
	}
	error = json_lines_file_append(&sink->place, &sink->file, &sink->buffer);
	if (error)
		return error;
	sink->account = account;
	sink->dirty |= sink->buffer.size > 0;
	sink->suppressed += repeats;
	sink->written += count - repeats;
	sink->size = sink->file.size;
	return 0;
}

static int write_events(struct sink *sink, const struct procobsrv_event *const *events,
			size_t count)
{
	int error = ensure_file(sink);

	if (!error)
		error = append_events(sink, events, count);
	if (error)
		sink->failures++;
	return error;
}

static int sync_file(struct sink *sink)
{
	uint64_t now = os_monotonic_ns();
	int error;

	if (!sink->sync_ns || !sink->dirty || now - sink->synced_ns < sink->sync_ns)
		return 0;
	error = json_lines_file_sync(&sink->place, &sink->file);
	if (!error) {
		sink->dirty = false;
		sink->synced_ns = now;
	}
	return error;
}

/* Goes on in another file under the same path, after whoever renamed or removed this one. */
static int reopen(struct sink *sink)
{
	if (!sink->file.lines)
		return open_file(sink);
	if (json_lines_file_is_there(&sink->place, &sink->file))
		return 0;
	/* What came into it is in it to the end, also if that end finds no room any more. */
	(void)write_end(sink);
	(void)json_lines_file_sync(&sink->place, &sink->file);
	json_lines_file_close(&sink->file);
	return open_file(sink);
}

static int tend(struct sink *sink)
{
	int error = reopen(sink);

	if (!error && (sink->held || is_due(sink, 0))) {
		error = rotate(sink);
		sink->held = error != 0;
	}
	if (!error)
		error = sync_file(sink);
	return error;
}

static void statistics(struct sink *sink, struct sink_statistics *statistics)
{
	*statistics = (struct sink_statistics){
	    .written = sink->written,
	    .bytes_used = sink->size + sink->old_size,
	    .failures = sink->failures,
	    .suppressed = sink->suppressed,
	    .oldest_ns = sink->oldest_ns,
	};
}

static void close_sink(struct sink *sink)
{
	if (sink->file.lines) {
		/* Without room for the end line, the next run writes it. */
		(void)write_end(sink);
		(void)json_lines_file_sync(&sink->place, &sink->file);
		json_lines_file_close(&sink->file);
	}
	buffer_free(&sink->buffer);
	free(sink->group);
	free(sink->path);
	free(sink);
}

const struct sink_operations sink_json_lines = {
    .name = "json-lines",
    .settings = settings,
    .durable = true,
    .yields = true,
    .check = check_values,
    .open = open_sink,
    .write = write_events,
    .tend = tend,
    .reopen = reopen,
    .statistics = statistics,
    .close = close_sink,
};
