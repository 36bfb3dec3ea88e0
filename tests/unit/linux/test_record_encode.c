/* SPDX-License-Identifier: MIT */
/*
 * Events made into records again: what is decoded from those says the same as the events did. The
 * events are those of records that kernels have written (tests/golden), and made-up ones.
 *
 *	test_record_encode DIRECTORY
 */
#include "record_encode.h"

#include "dispatch.h"
#include "format.h"
#include "harness.h"
#include "sample_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;

/* Two dispatchers: one of what the kernel wrote, one of what was made of its events. */
struct relay {
	struct dispatch first;
	struct dispatch second;
	struct record_writer writer;
	struct buffer scratch;
	struct buffer expected; /* lines of the first */
	struct buffer got;	/* lines of the second */
	size_t events;
	uint64_t position; /* of the event that is relayed */
	uint64_t stream;
};

/* A line without the number, which is the reader's own. */
static void write_line(struct buffer *lines, struct event *event)
{
	event->public.seq = 0;
	format_json_event(lines, &event->public);
}

static void lend(const struct source_batch *batch, void *param)
{
	struct relay *relay = param;

	for (size_t i = 0; i < batch->count; i++) {
		struct source_record record = batch->records[i];
		record.position = relay->position;
		assert_true(record.size <= RECORD_SIZE_MAX);
		dispatch_record(&relay->second, relay->stream, &record);
	}
}

static void take_first(struct event *event, void *param)
{
	struct relay *relay = param;
	struct record_place place;

	write_line(&relay->expected, event);
	assert_true(record_encode_place(event->cursor, &place));
	relay->position = place.position;
	relay->stream = place.stream;
	assert_true(record_encode(&relay->writer, &event->public, &relay->scratch));
	record_writer_lend(&relay->writer, lend, relay);
	relay->events++;
	procobsrv_event_unref(&event->public);
}

static void take_second(struct event *event, void *param)
{
	struct relay *relay = param;

	write_line(&relay->got, event);
	procobsrv_event_unref(&event->public);
}

static void begin(struct dispatch *dispatch, dispatch_deliver deliver, struct relay *relay)
{
	static const char *const variables[] = {"PATH", "HOME", NULL};

	assert_int_equal(dispatch_init(dispatch), 0);
	memcpy(dispatch->context.boot, "01234567", 8);
	dispatch->context.wall_offset_ns = INT64_C(1795377000000000000);
	dispatch->kinds = PROCOBSRV_KINDS_ALL;
	dispatch->kernel_threads = true;
	dispatch->env_names = variables;
	dispatch->deliver = deliver;
	dispatch->param = relay;
}

static struct relay *relay_begin(void)
{
	struct relay *relay = calloc(1, sizeof *relay);

	begin(&relay->first, take_first, relay);
	begin(&relay->second, take_second, relay);
	record_writer_init(&relay->writer, 0);
	return relay;
}

static int shown(const struct buffer *lines, size_t at)
{
	return lines->size - at < 400 ? (int)(lines->size - at) : 400;
}

static void relay_end(struct relay *relay, const char *name, size_t least)
{
	const struct buffer *got = &relay->got, *expected = &relay->expected;
	size_t at = 0;

	while (at < got->size && at < expected->size && got->data[at] == expected->data[at])
		at++;
	if (at < got->size || at < expected->size)
		fail_msg("%s: \"%.*s\" became \"%.*s\"", name, shown(expected, at),
			 expected->data + at, shown(got, at), got->data + at);
	if (relay->events < least)
		fail_msg("%s: only %zu events", name, relay->events);
	dispatch_free(&relay->first);
	dispatch_free(&relay->second);
	record_writer_free(&relay->writer);
	buffer_free(&relay->scratch);
	buffer_free(&relay->expected);
	buffer_free(&relay->got);
	free(relay);
}

static void relay_file(const char *name, size_t begin_at, size_t least)
{
	struct relay *relay = relay_begin();
	char path[4096];
	_Alignas(8) static char bytes[1 << 20];

	snprintf(path, sizeof path, "%s/%s.bin", directory, name);
	FILE *file = fopen(path, "rb");
	if (!file)
		fail_msg("%s cannot be opened", path);
	size_t size = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	for (size_t at = begin_at; at + sizeof(struct record_header) <= size;) {
		struct record_header header;
		memcpy(&header, bytes + at, sizeof header);
		struct source_record record = {bytes + at, header.size, at};
		dispatch_record(&relay->first, 7, &record);
		at += (header.size + 7) & ~(size_t)7;
	}
	relay_end(relay, name, least);
}

static void what_linux_wrote(void **state)
{
	(void)state;
	relay_file("linux-life", 0, 3);
	relay_file("linux-chunks", 0, 1);
}

static void what_windows_wrote(void **state)
{
	(void)state;
	relay_file("windows-start", 0, 1);
	relay_file("windows-start-plain", 0, 1);
	relay_file("windows-start-small", 0, 1);
	relay_file("windows-start-hostile", 0, 1);
	relay_file("windows-start-truncated", 0, 1);
	relay_file("windows-exit", 0, 1);
	relay_file("windows-exit-unknown", 0, 1);
	relay_file("windows-lost", 0, 1);
}

/* Made-up events are not all such as records can make: what was made of them once stays. */
static void what_was_made_up(void **state)
{
	struct relay *relay = relay_begin();

	(void)state;
	for (const struct procobsrv_event *const *sample = sample_events; *sample; sample++) {
		struct record_writer writer;

		record_writer_init(&writer, 0);
		if ((*sample)->kind == PROCOBSRV_EXISTING ||
		    (*sample)->flags & PROCOBSRV_EVENT_SYNTHETIC) {
			assert_false(record_encode(&writer, *sample, &relay->scratch));
			record_writer_free(&writer);
			continue;
		}
		assert_true(record_encode(&writer, *sample, &relay->scratch));
		const struct source_record *records = (const void *)writer.index.data;
		for (size_t i = 0; i < writer.index.size / sizeof *records; i++) {
			struct source_record record = records[i];
			record.data = writer.bytes.data + (uintptr_t)record.data;
			/* No gap: each sample is the first of its own writer. */
			((struct record_header *)(uintptr_t)record.data)->number = 0;
			record.position = 64 * relay->events;
			dispatch_record(&relay->first, 7, &record);
		}
		record_writer_free(&writer);
	}
	buffer_append(&relay->expected, "", 1);
	assert_non_null(strstr(relay->expected.data, "\"cpu_ns\":7000000"));
	assert_non_null(strstr(relay->expected.data, "\"threads_unread\":5"));
	relay->expected.size--;
	relay_end(relay, "samples", 8);
}

static void fields_of_an_exec(void **state)
{
	struct record_writer writer;
	struct buffer scratch = BUFFER_EMPTY;
	struct record_view view;

	(void)state;
	struct procobsrv_event event = sample_full;
	event.flags = 0;
	record_writer_init(&writer, 0);
	assert_true(record_encode(&writer, &event, &scratch));
	const struct source_record *records = (const void *)writer.index.data;
	const char *data = writer.bytes.data + (uintptr_t)records[0].data;
	assert_int_equal(record_decode(data, records[0].size, &view), 0);
	assert_int_equal(view.body->process.pid, 900);
	assert_int_equal(view.body->process.ns_pid, 2);
	assert_int_equal(view.body->credentials.uid, 1000);
	assert_int_equal(view.body->credentials.euid, 0);
	assert_int_equal(view.image->flags, RECORD_IMAGE_SETUID | RECORD_IMAGE_SETGID |
						RECORD_IMAGE_SECURE | RECORD_IMAGE_MEMFD |
						RECORD_IMAGE_DELETED);
	assert_int_equal(record_missing(view.image, RECORD_STRING_ARGV), RECORD_MISSING_TRUNCATED);
	assert_int_equal(record_missing(view.image, RECORD_STRING_INTERPRETER),
			 RECORD_MISSING_NO_ROOM);
	assert_memory_equal(view.strings[RECORD_STRING_ARGV].data, "\xff\xfe\0\0a\nb", 8);
	assert_memory_equal(view.strings[RECORD_STRING_FILENAME].data, "/tmp/script\t\xf8", 13);
	record_writer_free(&writer);
	buffer_free(&scratch);
}

static void long_arguments(void **state)
{
	struct relay *relay = relay_begin();
	struct record_writer writer;
	struct procobsrv_process process = *sample_exec.process;
	struct procobsrv_event event = sample_exec;
	static char text[100001];
	const char *argv[] = {"long", text, "", "last", NULL};

	(void)state;
	memset(text, 'x', sizeof text - 1);
	process.argv = argv;
	process.argc = 4;
	event.process = &process;
	record_writer_init(&writer, 0);
	assert_true(record_encode(&writer, &event, &relay->scratch));
	size_t count = writer.index.size / sizeof(struct source_record);
	const struct source_record *records = (const void *)writer.index.data;
	assert_int_equal(count, 4);
	for (size_t i = 0; i < count; i++) {
		struct source_record record = records[i];
		record.data = writer.bytes.data + (uintptr_t)record.data;
		dispatch_record(&relay->first, 7, &record);
	}
	record_writer_free(&writer);
	char *found = memmem(relay->got.data, relay->got.size, "xxx\",\"\",\"last\"]", 15);
	assert_non_null(found);
	assert_true(relay->got.size > 100000);
	relay_end(relay, "long arguments", 1);
}

static void places(void **state)
{
	struct record_place place = {0};

	(void)state;
	assert_true(record_encode_place("1f:a0", &place));
	assert_int_equal(place.stream, 0x1f);
	assert_int_equal(place.position, 0xa0);
	assert_int_equal(place.sort, '\0');
	assert_true(record_encode_place("1f:a0l1", &place));
	assert_int_equal(place.sort, 'l');
	assert_true(record_encode_place("1f:0x1865", &place));
	assert_int_equal(place.position, 0);
	assert_int_equal(place.sort, 'x');
	assert_false(record_encode_place("", &place));
	assert_false(record_encode_place("1f", &place));
	assert_false(record_encode_place("1f:", &place));
	assert_false(record_encode_place(" 1f:2", &place));
	assert_false(record_encode_place("-1:2", &place));
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_linux_wrote), cmocka_unit_test(what_windows_wrote),
	    cmocka_unit_test(what_was_made_up), cmocka_unit_test(fields_of_an_exec),
	    cmocka_unit_test(long_arguments),	cmocka_unit_test(places),
	};

	if (count != 2) {
		fprintf(stderr, "usage: test_record_encode DIRECTORY\n");
		return 2;
	}
	directory = arguments[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
