/* SPDX-License-Identifier: MIT */
/*
 * The systemd journal: an entry for each event, with the fields that match expressions know as
 * fields of the entry: process.exe is PROCESS_EXE, exit.code is PROCOBSRV_EXIT_CODE
 * (docs/decisions/076-fields-in-the-journal.md).
 */
/* Where in this file an entry was sent from is nobody's concern. */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "batch_progress.h"
#include "error.h"
#include "field_text.h"
#include "format.h"
#include "sink.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"
#define FIELDS_MOST	128
#define MESSAGE_COLUMNS 1000 /* of the line for people; the fields have all */

static const struct setting settings[] = {{0}};

struct sink {
	struct buffer text; /* the fields of an entry, one after the other */
	size_t begins[FIELDS_MOST + 1];
	size_t count;
	struct batch_progress sent;
	_Atomic uint64_t written;
	_Atomic uint64_t failures;
};

/* journalctl MESSAGE_ID=... shows the events of a kind; made once, never changed. */
static const char *message_id(enum procobsrv_kind kind)
{
	switch (kind) {
	case PROCOBSRV_EXISTING:
		return "MESSAGE_ID=df951438d5064d44ae03b60f13ff391d";
	case PROCOBSRV_START:
		return "MESSAGE_ID=994eee1870974d8d9591c6dc50ce2adb";
	case PROCOBSRV_EXEC:
		return "MESSAGE_ID=36f1eeec740f4f989092bc216c384ed4";
	case PROCOBSRV_EXEC_FAILED:
		return "MESSAGE_ID=7842bd06b7624aa1ac4e504945bf4885";
	case PROCOBSRV_EXIT:
		return "MESSAGE_ID=9b91c81c7f9c4eb6b346ba7e8e650a53";
	case PROCOBSRV_LOST:
		return "MESSAGE_ID=99051115b2e84b609e897d2b119fe49c";
	}
	return NULL;
}

/* A loss wants attention, and so may a program that crashed. */
static int priority(const struct procobsrv_event *event)
{
	if (event->kind == PROCOBSRV_LOST)
		return LOG_WARNING;
	if (event->exit && event->exit->core_dumped)
		return LOG_NOTICE;
	return LOG_INFO;
}

static void begin_field(struct sink *sink)
{
	sink->begins[sink->count++] = sink->text.size;
}

static void add_text(struct sink *sink, const char *text)
{
	begin_field(sink);
	buffer_append_text(&sink->text, text);
}

static void add_field(struct sink *sink, const char *prefix, const struct field *field,
		      const void *object)
{
	struct field_value value;

	/* The tables have fewer than that: should they grow, what is too many is left out. Flags
	 * that are not set are left out as in JSON. */
	if (sink->count == FIELDS_MOST || !field_is_present(field, object) ||
	    !field_read(field, object, &value))
		return;
	begin_field(sink);
	/* process.exe is PROCESS_EXE; exit.code, which others might use too, PROCOBSRV_EXIT_CODE.
	 */
	if (strcmp(prefix, "process.") != 0)
		buffer_append_text(&sink->text, "PROCOBSRV_");
	field_text_append_name(&sink->text, prefix);
	field_text_append_name(&sink->text, field->name);
	buffer_append_character(&sink->text, '=');
	/* argv is one text: the journal keeps neither order nor repeats of a field's values. */
	field_text_append_value(&sink->text, field, &value);
}

static void add_fields(struct sink *sink, const struct procobsrv_event *event)
{
	for (int section = 0; section < FIELDS_SECTIONS; section++) {
		const struct field_table *table = &field_tables[section];
		const void *object = field_object(event, (enum field_section)section);

		if (!object)
			continue;
		for (size_t at = 0; at < table->count; at++)
			add_field(sink, table->prefix, &table->fields[at], object);
	}
}

/* The line that consctl shows, without the time in front, which the journal has its own of. */
static void add_message(struct sink *sink, const struct procobsrv_event *event)
{
	static const struct format_text_options options = {.columns = MESSAGE_COLUMNS};
	struct buffer line = BUFFER_EMPTY;
	size_t at = 0;

	begin_field(sink);
	buffer_append_text(&sink->text, "MESSAGE=");
	format_text_event(&line, event, &options);
	while (at < line.size && line.data[at] != ' ')
		at++;
	while (at < line.size && line.data[at] == ' ')
		at++;
	while (line.size > at && line.data[line.size - 1] == '\n')
		line.size--;
	sink->text.failed |= line.failed;
	if (!line.failed)
		buffer_append(&sink->text, line.data + at, line.size - at);
	buffer_free(&line);
}

/* 0 or a negative errno. */
static int send_entry(struct sink *sink)
{
	struct iovec parts[FIELDS_MOST];

	sink->begins[sink->count] = sink->text.size;
	for (size_t at = 0; at < sink->count; at++) {
		parts[at].iov_base = sink->text.data + sink->begins[at];
		parts[at].iov_len = sink->begins[at + 1] - sink->begins[at];
	}
	return sd_journal_sendv(parts, (int)sink->count);
}

static int unreachable(int error)
{
	return error_set_errno(error, "cannot reach the journal at " JOURNAL_SOCKET
				      ": start systemd-journald, or take `journal:` out of the "
				      "configuration");
}

/* libsystemd takes a journal that is not there for one that has taken everything. */
static int check_journal(void)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX,
						   .sun_path = JOURNAL_SOCKET};
	int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error = 0;

	if (probe < 0)
		return error_set_errno(errno, "cannot make a socket");
	if (connect(probe, (const struct sockaddr *)&address, sizeof address) < 0)
		error = errno;
	close(probe);
	return error ? unreachable(error) : 0;
}

static int send_event(struct sink *sink, const struct procobsrv_event *event)
{
	char text[] = "PRIORITY=0";
	const char *id = message_id(event->kind);
	int error;

	sink->text.size = 0;
	sink->count = 0;
	add_message(sink, event);
	if (id)
		add_text(sink, id);
	text[sizeof text - 2] = (char)('0' + priority(event));
	add_text(sink, text);
	add_text(sink, "SYSLOG_IDENTIFIER=procobsrvd");
	add_fields(sink, event);
	if (sink->text.failed) {
		buffer_free(&sink->text);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for an entry");
	}
	error = send_entry(sink);
	return error < 0 ? unreachable(-error) : 0;
}

static int write_events(struct sink *sink, const struct procobsrv_event *const *events,
			size_t count)
{
	int error = check_journal();

	for (size_t at = batch_progress_resume(&sink->sent, events, count); at < count && !error;
	     at++) {
		error = send_event(sink, events[at]);
		if (!error)
			batch_progress_note(&sink->sent, events, at);
	}
	if (error) {
		sink->failures++;
		return error;
	}
	sink->sent.done = 0;
	sink->written += count;
	return 0;
}

static int open_sink(const struct setting_value *values, struct sink **opened)
{
	struct sink *sink;
	int error = check_journal();

	(void)values;
	if (error)
		return error;
	sink = calloc(1, sizeof *sink);
	if (!sink)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a sink");
	*opened = sink;
	return 0;
}

static void statistics(struct sink *sink, struct sink_statistics *statistics)
{
	*statistics = (struct sink_statistics){
	    .written = sink->written,
	    .failures = sink->failures,
	};
}

static void close_sink(struct sink *sink)
{
	buffer_free(&sink->text);
	free(sink);
}

const struct sink_operations sink_journal = {
    .name = "journal",
    .settings = settings,
    .open = open_sink,
    .write = write_events,
    .statistics = statistics,
    .close = close_sink,
};
