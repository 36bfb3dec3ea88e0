/* SPDX-License-Identifier: MIT */
/* Records as the driver of Windows writes them: what users see of them, on every system. */
#include "dispatch.h"
#include "format.h"
#include "harness.h"
#include "os.h"
#include "record_build.h"
#include "records.h"
#include "resync.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uchar.h>

#define EVENTS_MAX 16
#define BEGIN_NS   UINT64_C(1795391940000000000) /* 2026-11-22T23:59:00Z */

struct fixture {
	struct dispatch dispatch;
	struct test_observer observer;
	const struct procobsrv_event *events[EVENTS_MAX];
	size_t count;
	uint64_t position;
};

static void keep(struct event *event, void *param)
{
	struct fixture *fixture = param;

	assert_true(fixture->count < EVENTS_MAX);
	fixture->events[fixture->count++] = &event->public;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	assert_int_equal(dispatch_init(&fixture->dispatch), 0);
	fixture->dispatch.kinds = PROCOBSRV_KINDS_ALL;
	fixture->dispatch.deliver = keep;
	fixture->dispatch.param = fixture;
	fixture->dispatch.context.wall_offset_ns = 0;
	fixture->observer.time_ns = BEGIN_NS + 1000000000;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->count; i++)
		procobsrv_event_unref(fixture->events[i]);
	dispatch_free(&fixture->dispatch);
	free(fixture);
	return 0;
}

static void feed(struct fixture *fixture, const struct test_record *record)
{
	struct source_record lent = record_lend(record, fixture->position);

	fixture->position += record->size;
	dispatch_record(&fixture->dispatch, 7, &lent);
}

/* char16_t is in the order of the machine, which is that of the record. */
#define WIDE(text)                                                                                 \
	{                                                                                          \
		(const char *)(text), sizeof(text) - sizeof(char16_t)                              \
	}

static struct record_body body_of(uint32_t pid, uint64_t start_ns, uint32_t ppid,
				  uint64_t parent_start_ns)
{
	return (struct record_body){
	    .process = {.pid = pid, .start_ns = start_ns},
	    .parent = {.pid = ppid, .start_ns = parent_start_ns},
	    .credentials = {RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN,
			    RECORD_ID_UNKNOWN, RECORD_ID_UNKNOWN, 2},
	    .process_flags = RECORD_PROCESS_NO_CREDENTIALS,
	};
}

static const struct procobsrv_event *feed_start(struct fixture *fixture, uint32_t pid,
						uint64_t start_ns, uint32_t ppid,
						const struct test_wide_image *image)
{
	struct record_body body = body_of(pid, start_ns, ppid, 0);
	struct test_record record;

	record_build_wide(&fixture->observer, &record, RECORD_START, &body, image);
	feed(fixture, &record);
	assert_true(fixture->count > 0);
	return fixture->events[fixture->count - 1];
}

static const struct procobsrv_event *feed_exit(struct fixture *fixture, uint32_t pid,
					       uint64_t start_ns, uint32_t code)
{
	struct test_record record;
	struct record_body body = body_of(pid, start_ns, 4, 0);

	record_build_exit(&fixture->observer, &record, pid, start_ns, code);
	memcpy(record.data + sizeof(struct record_header), &body, sizeof body);
	feed(fixture, &record);
	return fixture->events[fixture->count - 1];
}

#define NOT_TAKEN(string) ((uint32_t)RECORD_MISSING_NOT_TAKEN << RECORD_MISSING_SHIFT(string))

static const struct test_wide_image notepad = {
    .exe = WIDE(u"\\??\\C:\\Windows\\notepad.exe"),
    .command_line = WIDE(u"notepad  \"t\u00fcr \u2713.txt\" \U0001f600"),
    .sid = WIDE(u"S-1-5-21-1-2-3-1001"),
    .missing = NOT_TAKEN(RECORD_STRING_CWD) | NOT_TAKEN(RECORD_STRING_ARGV) |
	       NOT_TAKEN(RECORD_STRING_ENV) | NOT_TAKEN(RECORD_STRING_FILENAME) |
	       NOT_TAKEN(RECORD_STRING_INTERPRETER),
};

static const char *why_missing(const struct procobsrv_process *process, const char *field)
{
	for (size_t at = 0; at < process->missing_count; at++)
		if (!strcmp(process->missing[at].field, field))
			return process->missing[at].reason;
	return "whole";
}

static void expect_notepad(const struct procobsrv_process *process)
{
	assert_string_equal(process->name, "notepad.exe");
	assert_string_equal(process->exe, "C:\\Windows\\notepad.exe");
	assert_string_equal(process->exe_nt, "\\??\\C:\\Windows\\notepad.exe");
	assert_string_equal(process->command_line,
			    "notepad  \"t\xc3\xbcr \xe2\x9c\x93.txt\" \xf0\x9f\x98\x80");
	assert_int_equal(process->argc, 3);
	assert_string_equal(process->argv[0], "notepad");
	assert_string_equal(process->argv[1], "t\xc3\xbcr \xe2\x9c\x93.txt");
	assert_string_equal(process->argv[2], "\xf0\x9f\x98\x80");
	assert_null(process->argv[3]);
	assert_string_equal(process->sid, "S-1-5-21-1-2-3-1001");
	assert_int_equal(process->flags, PROCOBSRV_PROCESS_WTF8); /* and not forked */
	assert_int_equal(process->session, 2);
	assert_int_equal(process->present,
			 PROCOBSRV_HAS_START | PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_SESSION);
	assert_null(process->cwd);
	assert_null(process->filename);
	assert_int_equal(process->missing_count, 1);
	assert_string_equal(why_missing(process, "cwd"), "not taken");
}

static void start_brings_the_program(void **state)
{
	struct fixture *fixture = *state;
	const struct procobsrv_event *start = feed_start(fixture, 4711, BEGIN_NS, 4, &notepad);
	const struct procobsrv_event *exit = feed_exit(fixture, 4711, BEGIN_NS, 0xc0000005);

	assert_int_equal(fixture->count, 2);
	assert_int_equal(start->kind, PROCOBSRV_START);
	expect_notepad(start->process);
	assert_int_equal(start->process->start_time_ns, BEGIN_NS);
	assert_int_equal(start->process->start_boot_ns, BEGIN_NS);
	assert_int_equal(start->time_ns, BEGIN_NS + 1000000001);
	assert_null(start->creator);

	assert_int_equal(exit->kind, PROCOBSRV_EXIT);
	expect_notepad(exit->process);
	assert_string_equal(exit->process->id, start->process->id);
	assert_int_equal(exit->exit->code, 0xc0000005);
	assert_int_equal(exit->exit->signal, 0);
	assert_int_equal(exit->exit->duration_ns, 1000000002);
	assert_int_equal(fixture->dispatch.table.count, 0);
}

/* The same pid, another time: two processes. */
static void identity_has_the_time(void **state)
{
	struct fixture *fixture = *state;
	const struct procobsrv_event *one = feed_start(fixture, 12, BEGIN_NS, 4, &notepad);
	const struct procobsrv_event *other;

	feed_exit(fixture, 12, BEGIN_NS, 0);
	other = feed_start(fixture, 12, BEGIN_NS + 100, 4, &notepad);
	assert_string_not_equal(one->process->id, other->process->id);
	assert_int_equal(fixture->count, 3);
}

static void device_that_nobody_knows(void **state)
{
	const struct test_wide_image image = {
	    .exe = WIDE(u"\\Device\\NoSuchDevice\\dir\\x.exe"),
	    .command_line = WIDE(u"x"),
	};
	const struct procobsrv_event *event = feed_start(*state, 8, BEGIN_NS, 4, &image);

	assert_null(event->process->exe);
	assert_string_equal(event->process->exe_nt, "\\Device\\NoSuchDevice\\dir\\x.exe");
	assert_string_equal(event->process->name, "x.exe");
	assert_string_equal(why_missing(event->process, "exe"), "not mapped");
	assert_int_equal(event->process->missing_count, 1);
}

/* From sources that ask for the path that programs use. */
static void common_path(void **state)
{
	const struct test_wide_image image = {.exe = WIDE(u"\\\\server\\share\\x.exe")};
	const struct procobsrv_event *event = feed_start(*state, 8, BEGIN_NS, 4, &image);

	assert_string_equal(event->process->exe, "\\\\server\\share\\x.exe");
	assert_null(event->process->exe_nt);
	assert_string_equal(event->process->name, "x.exe");
	assert_int_equal(event->process->missing_count, 0);
	/* An empty line is none, and not missing either. */
	assert_null(event->process->command_line);
	assert_null(event->process->argv);
	assert_null(event->process->sid);
}

/* What the plain notify routine does not tell. */
static void command_line_not_taken(void **state)
{
	const struct test_wide_image image = {
	    .exe = WIDE(u"\\??\\C:\\x.exe"),
	    .missing = NOT_TAKEN(RECORD_STRING_COMMAND_LINE),
	};
	const struct procobsrv_event *event = feed_start(*state, 8, BEGIN_NS, 4, &image);

	assert_null(event->process->command_line);
	assert_null(event->process->argv);
	assert_string_equal(why_missing(event->process, "command_line"), "not taken");
	assert_string_equal(why_missing(event->process, "argv"), "not taken");
	assert_string_equal(event->process->exe, "C:\\x.exe");
}

static void nothing_known(void **state)
{
	const struct test_wide_image image = {
	    .missing = (uint32_t)RECORD_MISSING_TOO_LATE << RECORD_MISSING_SHIFT(RECORD_STRING_EXE),
	};
	const struct procobsrv_event *event = feed_start(*state, 8, BEGIN_NS, 4, &image);

	assert_string_equal(event->process->name, "");
	assert_string_equal(why_missing(event->process, "exe"), "too late");
	assert_null(event->process->exe);
	assert_null(event->process->exe_nt);
}

/* Nobody on Windows goes on with the program of its creator. */
static void start_without_a_program(void **state)
{
	struct fixture *fixture = *state;
	struct test_record record;

	feed_start(fixture, 100, BEGIN_NS, 4, &notepad);
	record_build_start(&fixture->observer, &record, 101, BEGIN_NS + 5, 100, BEGIN_NS);
	feed(fixture, &record);

	const struct procobsrv_process *process = fixture->events[1]->process;
	assert_null(process->exe);
	assert_null(process->argv);
	assert_int_equal(process->flags & PROCOBSRV_PROCESS_FORKED, 0);
	assert_string_equal(why_missing(process, "exe"), "gap");
}

/* A child goes on naming a pid that somebody else has by now. */
static void parent_whose_pid_is_taken(void **state)
{
	struct fixture *fixture = *state;
	const struct procobsrv_event *event;

	feed_start(fixture, 50, BEGIN_NS, 4, &notepad);
	event = feed_start(fixture, 51, BEGIN_NS + 100, 50, &notepad);
	assert_string_equal(event->parent->name, "notepad.exe");
	assert_string_equal(event->parent->id, fixture->events[0]->process->id);

	feed_exit(fixture, 50, BEGIN_NS, 0);
	feed_start(fixture, 50, BEGIN_NS + 200, 4, &notepad);
	struct record_body body = body_of(51, BEGIN_NS + 100, 50, 0);
	struct test_record record;
	record_build_exit(&fixture->observer, &record, 51, BEGIN_NS + 100, 0);
	memcpy(record.data + sizeof(struct record_header), &body, sizeof body);
	feed(fixture, &record);
	event = fixture->events[fixture->count - 1];
	assert_int_equal(event->kind, PROCOBSRV_EXIT);
	assert_int_equal(event->parent->pid, 50);
	assert_string_equal(event->parent->name, "");
	assert_string_not_equal(event->parent->id, fixture->events[3]->process->id);
}

static void half_a_unit_is_damage(void **state)
{
	struct fixture *fixture = *state;
	struct test_wide_image image = notepad;

	image.command_line.size--;
	feed_start(fixture, 8, BEGIN_NS, 4, &image);
	assert_int_equal(fixture->count, 1);
	assert_int_equal(fixture->events[0]->kind, PROCOBSRV_LOST);
	assert_int_equal(fixture->dispatch.table.count, 0);
}

/* Surrogates alone, a NUL in the command line. */
static const char16_t hostile_exe[] = {'\\', '?', '?', '\\', 'C', ':', '\\', 0xd800, 'a', 0};
static const char16_t hostile_line[] = {'x', ' ', 0xdfff, 0xdbff, 'b', 0, ' ', 'y', 0};

static const struct test_wide_image hostile = {
    .exe = WIDE(hostile_exe),
    .command_line = WIDE(hostile_line),
    .sid = WIDE(u"S-1-5-18"),
};

static void expect_hostile(const struct procobsrv_process *process)
{
	assert_string_equal(process->exe, "C:\\\xed\xa0\x80"
					  "a");
	assert_string_equal(process->name, "\xed\xa0\x80"
					   "a");
	assert_string_equal(process->command_line, "x \xed\xbf\xbf\xed\xaf\xbf"
						   "b\xc0\x80 y");
	assert_int_equal(process->argc, 2);
	assert_string_equal(process->argv[1], "\xed\xbf\xbf\xed\xaf\xbf"
					      "b");
}

static bool contains(const struct buffer *line, const char *text)
{
	size_t size = strlen(text);

	for (size_t at = 0; at + size <= line->size; at++)
		if (!memcmp(line->data + at, text, size))
			return true;
	return false;
}

/* U+FFFD for each, and beside it the UTF-16LE. */
static void tells_hostile_text_exactly(void **state)
{
	const struct procobsrv_event *event = feed_start(*state, 8, BEGIN_NS, 4, &hostile);
	struct buffer line = BUFFER_EMPTY;

	expect_hostile(event->process);
	format_json_event(&line, event);
	/* 00 d8 61 00 */
	assert_true(contains(&line, ",\"name\":\"\xef\xbf\xbd"
				    "a\",\"name_base64\":\"ANhhAA==\","));
	assert_true(contains(&line, ",\"exe\":\"C:\\\\\xef\xbf\xbd"
				    "a\",\"exe_base64\":\"QwA6AFwAANhhAA==\","));
	/* 78 00 00 00, ff df ff db 62 00 00 00 */
	assert_true(contains(&line, ",\"argv\":[\"x\",\"\xef\xbf\xbd\xef\xbf\xbd"
				    "b\"],\"argv_base64\":\"eAAAAP/f/9tiAAAA\","));
	assert_true(contains(&line, ",\"command_line\":\"x \xef\xbf\xbd\xef\xbf\xbd"
				    "b\xef\xbf\xbd y\",\"command_line_base64\":"
				    "\"eAAgAP/f/9tiAAAAIAB5AA==\","));
	assert_true(contains(&line, ",\"sid\":\"S-1-5-18\",\"ppid\":4}"));
	buffer_free(&line);
}

static const struct procobsrv_process *rebuild(const struct procobsrv_process *process)
{
	const struct process_context context = {.boot = "01234567"};
	struct buffer buffer = BUFFER_EMPTY;
	struct record_view view;
	struct record_header header;

	record_build_existing_of(process, &buffer);
	assert_false(buffer.failed);
	memcpy(&header, buffer.data, sizeof header);
	assert_int_equal(record_decode(buffer.data, header.size, &view), 0);
	struct image *image = image_create(&view, &(struct image_chunks){0}, NULL);
	const struct procobsrv_process *rebuilt =
	    process_create(&context, view.body, image, false, NULL);
	image_unref(image);
	buffer_free(&buffer);
	return rebuilt;
}

/* What a checkpoint keeps. */
static void outlives_its_reader(void **state)
{
	struct fixture *fixture = *state;
	const struct procobsrv_process *process;

	feed_start(fixture, 4711, BEGIN_NS, 4, &notepad);
	process = rebuild(fixture->events[0]->process);
	expect_notepad(process);
	procobsrv_process_unref(process);
	feed_start(fixture, 8, BEGIN_NS, 4, &hostile);
	process = rebuild(fixture->events[1]->process);
	expect_hostile(process);
	procobsrv_process_unref(process);
}

/* What a snapshot finds after a gap has one event, not two. */
static void synthetic_start(void **state)
{
	struct fixture *fixture = *state;
	struct resync resync = {.began_ns = BEGIN_NS + 10, .ended_ns = BEGIN_NS + 20};
	struct record_body body = body_of(77, BEGIN_NS, 4, 0);
	struct test_record record;

	body.process_flags |= RECORD_PROCESS_EXECED;
	record_build_wide(NULL, &record, RECORD_EXISTING, &body, &notepad);
	buffer_append(&resync.records, record.data, record.size);
	buffer_append(&resync.records, "\0\0\0\0\0\0\0", -record.size & 7);
	resync_conclude(&resync, &fixture->dispatch);
	assert_int_equal(fixture->count, 1);
	assert_int_equal(fixture->events[0]->kind, PROCOBSRV_START);
	assert_int_equal(fixture->events[0]->flags, PROCOBSRV_EVENT_SYNTHETIC);
	expect_notepad(fixture->events[0]->process);
	resync_free(&resync);
}

/* The command of `run` is one of its tree, though it never calls exec. */
static void tree_begins_with_its_root(void **state)
{
	struct fixture *fixture = *state;

	fixture->dispatch.root_pid = 60;
	feed_start(fixture, 60, BEGIN_NS, 4, &notepad);
	feed_start(fixture, 61, BEGIN_NS + 1, 60, &notepad);
	feed_start(fixture, 99, BEGIN_NS + 2, 4, &notepad);
	assert_int_equal(fixture->count, 2);
	assert_int_equal(fixture->events[0]->process->pid, 60);
	assert_int_equal(fixture->events[1]->process->pid, 61);
	feed_exit(fixture, 61, BEGIN_NS + 1, 0);
	assert_false(fixture->dispatch.tree_ended);
	feed_exit(fixture, 60, BEGIN_NS, 0);
	assert_int_equal(fixture->count, 4);
	assert_true(fixture->dispatch.tree_ended);
}

/* Where records have wall clock time, sampling two clocks that are one adds nothing to it. */
static void clocks_that_are_one(void **state)
{
	int64_t apart = os_wall_ns() - (int64_t)os_boot_ns();
	const int64_t second = 1000000000;
	struct dispatch dispatch;

	(void)state;
	/* One is told by being near; where they are two, the offset is what is between them. */
	bool one = apart < second && apart > -second;
	assert_int_equal(dispatch_init(&dispatch), 0);
	for (int round = 0; round < 1000; round++) {
		dispatch_sample_clock(&dispatch);
		int64_t off = dispatch.context.wall_offset_ns - (one ? 0 : apart);
		assert_true(one ? off == 0 : off < second && off > -second);
	}
	dispatch_free(&dispatch);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(start_brings_the_program),  TEST(identity_has_the_time),
	    TEST(device_that_nobody_knows),  TEST(common_path),
	    TEST(command_line_not_taken),    TEST(nothing_known),
	    TEST(start_without_a_program),   TEST(parent_whose_pid_is_taken),
	    TEST(half_a_unit_is_damage),     TEST(tells_hostile_text_exactly),
	    TEST(outlives_its_reader),	     TEST(synthetic_start),
	    TEST(tree_begins_with_its_root), cmocka_unit_test(clocks_that_are_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
