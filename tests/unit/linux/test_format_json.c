/* SPDX-License-Identifier: MIT */
/* JSON lines are read back with jansson. With --samples the program prints lines of each kind. */
#include "format.h"
#include "harness.h"
#include "json.h"
#include "sample_events.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

/* The one line in the buffer, which is freed. */
static json_t *parse(struct buffer *buffer)
{
	json_error_t error;
	json_t *root;

	assert_false(buffer->failed);
	assert_true(buffer->size > 1);
	assert_int_equal(buffer->data[buffer->size - 1], '\n');
	for (size_t at = 0; at < buffer->size - 1; at++)
		assert_true((unsigned char)buffer->data[at] >= 0x20 && buffer->data[at] != 0x7f);
	root = json_loadb(buffer->data, buffer->size, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("%s in %.*s", error.text, (int)buffer->size, buffer->data);
	assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
	buffer_free(buffer);
	return root;
}

static json_t *parse_event(const struct procobsrv_event *event)
{
	struct buffer buffer = BUFFER_EMPTY;

	format_json_event(&buffer, event);
	return parse(&buffer);
}

/* "process.pid" */
static const json_t *member(const json_t *object, const char *path)
{
	char name[64];

	while (object != NULL && *path != 0) {
		size_t length = strcspn(path, ".");

		assert_true(length < sizeof name);
		memcpy(name, path, length);
		name[length] = 0;
		object = json_object_get(object, name);
		path += length + (path[length] == '.');
	}
	return object;
}

static void expect_text(const json_t *root, const char *path, const char *expected)
{
	const json_t *value = member(root, path);

	if (expected == NULL) {
		assert_null(value);
		return;
	}
	if (!json_is_string(value))
		fail_msg("%s is no string", path);
	assert_string_equal(json_string_value(value), expected);
}

static void expect_number(const json_t *root, const char *path, json_int_t expected)
{
	const json_t *value = member(root, path);

	if (!json_is_integer(value))
		fail_msg("%s is no integer", path);
	assert_int_equal(json_integer_value(value), expected);
}

static void expect_absent(const json_t *root, const char *path)
{
	if (member(root, path) != NULL)
		fail_msg("%s should be absent", path);
}

static void writes_exec(void **state)
{
	json_t *root = parse_event(&sample_exec);
	const json_t *argv = member(root, "process.argv");

	(void)state;
	expect_text(root, "kind", "exec");
	expect_number(root, "seq", 4711);
	expect_text(root, "cursor", "stream-4711");
	expect_text(root, "time", "2026-11-22T06:13:20.123456789Z");
	expect_number(root, "process.pid", 812);
	expect_number(root, "process.ppid", 811);
	expect_text(root, "process.id", "boot-812-200");
	expect_text(root, "process.start", "2026-11-22T06:13:20.123456789Z");
	expect_text(root, "process.name", "cc1");
	expect_text(root, "process.exe", "/usr/libexec/gcc/cc1");
	expect_text(root, "process.cwd", "/src");
	expect_number(root, "process.uid", 1000);
	expect_number(root, "process.loginuid", 1000);
	expect_number(root, "process.session", 3);
	expect_text(root, "process.tty", "pts/1");
	expect_text(root, "process.cgroup", "18446744073709551615");
	assert_int_equal(json_array_size(argv), 5);
	assert_string_equal(json_string_value(json_array_get(argv, 4)), "two words");
	expect_number(root, "parent.pid", 811);
	expect_text(root, "parent.name", "make");
	assert_int_equal(json_object_size(json_object_get(root, "parent")), 3);
	expect_absent(root, "synthetic");
	expect_absent(root, "creator");
	expect_absent(root, "exit");
	expect_absent(root, "process.setuid");
	expect_absent(root, "process.ns_pid");
	expect_absent(root, "process.namespaces");
	expect_absent(root, "process.missing");
	expect_absent(root, "process.argv_base64");
	json_decref(root);
}

static void writes_everything(void **state)
{
	json_t *root = parse_event(&sample_full);

	(void)state;
	assert_true(json_is_true(member(root, "synthetic")));
	assert_true(json_is_true(member(root, "process.setuid")));
	assert_true(json_is_true(member(root, "process.memfd")));
	assert_true(json_is_true(member(root, "process.kernel_thread")));
	expect_number(root, "process.ns_pid", 2);
	expect_number(root, "process.session_leader", 700);
	expect_text(root, "process.exe_inode", "9007199254740993");
	expect_text(root, "process.exe_device", "2049");
	assert_int_equal(json_object_size(member(root, "process.namespaces")), 8);
	expect_number(root, "process.namespaces.pid", 4026531836);
	expect_number(root, "process.namespaces.mount", 4026531841);
	expect_number(root, "process.namespaces.time", 4026531834);
	assert_int_equal(json_array_size(member(root, "process.missing")), 2);
	expect_text(json_array_get(member(root, "process.missing"), 1), "field", "interpreter");
	expect_text(json_array_get(member(root, "process.missing"), 1), "reason", "no room");
	assert_int_equal(json_array_size(member(root, "process.env")), 2);
	expect_number(root, "creator.pid", 812);
	json_decref(root);
}

static void expect_base64(const json_t *root, const char *path, const void *bytes, size_t size)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct base64 base64 = BASE64_INTO(&buffer);

	base64_append(&base64, bytes, size);
	base64_finish(&base64);
	buffer_append_character(&buffer, 0);
	expect_text(root, path, buffer.data);
	buffer_free(&buffer);
}

/* What is not UTF-8 is replaced, and told exactly beside. */
static void keeps_odd_bytes(void **state)
{
	json_t *root = parse_event(&sample_full);
	const struct procobsrv_process *process = sample_full.process;
	static const char argv[] = "\xff\xfe\0\0a\nb";

	(void)state;
	expect_text(root, "process.name", "\x1b[31mred\xef\xbf\xbd");
	expect_base64(root, "process.name_base64", process->name, strlen(process->name));
	expect_text(root, "process.exe",
		    "/tmp/\xe2\x80\xae"
		    "exe\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	expect_base64(root, "process.exe_base64", process->exe, strlen(process->exe));
	expect_text(root, "process.cwd", "/tmp/\"quoted\"\\\x7f");
	expect_absent(root, "process.cwd_base64");
	expect_base64(root, "process.filename_base64", process->filename,
		      strlen(process->filename));
	expect_base64(root, "process.argv_base64", argv, sizeof argv);
	expect_base64(root, "process.env_base64", "LANG=C\0NAME=\xc3(", 15);
	expect_base64(root, "process.cgroup_path_base64", process->cgroup, strlen(process->cgroup));
	json_decref(root);
}

/* Windows: one U+FFFD for what is half a pair, and the units of UTF-16 beside. */
static void keeps_odd_units(void **state)
{
	json_t *root = parse_event(&sample_odd);
	static const char name[] = "\xff\xdf\x2e\x20.\0e\0x\0e";
	static const char argv[] = "o\0t\0h\0e\0r\0\0\0\x00\xd8\0\0\\\0\"\0\0";
	static const char line[] = "o\0t\0h\0e\0r\0 \0\x00\xd8 \0\\\0\"\0\0\0\x1b\0[\0"
				   "3\0"
				   "1\0m\0\n";

	(void)state;
	expect_text(root, "process.name", "\xef\xbf\xbd\xe2\x80\xae.exe");
	expect_base64(root, "process.name_base64", name, sizeof name);
	expect_text(root, "process.exe", "\\\\server\\a b\\\xef\xbf\xbd\xe2\x80\xae.exe");
	assert_non_null(member(root, "process.exe_base64"));
	expect_absent(root, "process.exe_nt");
	assert_int_equal(json_array_size(member(root, "process.argv")), 3);
	assert_string_equal(json_string_value(json_array_get(member(root, "process.argv"), 1)),
			    "\xef\xbf\xbd");
	expect_base64(root, "process.argv_base64", argv, sizeof argv);
	expect_text(root, "process.command_line", "other \xef\xbf\xbd \\\"\xef\xbf\xbd\x1b[31m\n");
	expect_base64(root, "process.command_line_base64", line, sizeof line);
	json_decref(root);

	root = parse_event(&sample_crash);
	expect_number(root, "exit.code", 0xc0000005);
	json_decref(root);
}

static void writes_other_kinds(void **state)
{
	json_t *root = parse_event(&sample_exit);

	(void)state;
	expect_number(root, "exit.code", 3);
	expect_number(root, "exit.signal", 0);
	assert_true(json_is_false(member(root, "exit.core_dumped")));
	expect_number(root, "exit.duration_ns", 1830211);
	expect_number(root, "exit.cpu_ns", 1512000);
	expect_number(root, "exit.system_ns", 0);
	expect_number(root, "exit.max_rss_bytes", 1843200);
	expect_text(root, "process.exe", "/usr/libexec/gcc/cc1");
	json_decref(root);

	root = parse_event(&sample_crowd);
	expect_number(root, "exit.cpu_ns", 7000000);
	expect_number(root, "exit.threads_unread", 5);
	json_decref(root);

	root = parse_event(&sample_killed);
	expect_number(root, "exit.signal", 11);
	expect_absent(root, "exit.threads_unread");
	assert_true(json_is_true(member(root, "exit.core_dumped")));
	expect_absent(root, "exit.duration_ns");
	expect_absent(root, "exit.cpu_ns");
	json_decref(root);

	root = parse_event(&sample_gone);
	expect_absent(root, "exit.code");
	expect_absent(root, "exit.signal");
	expect_absent(root, "exit.core_dumped");
	expect_number(root, "exit.duration_ns", 5);
	json_decref(root);

	root = parse_event(&sample_exec_failed);
	expect_text(root, "attempt.path", "/nope");
	assert_int_equal(json_array_size(member(root, "attempt.argv")), 5);
	expect_number(root, "error.errno", 2);
	expect_text(root, "error.name", "ENOENT");
	json_decref(root);

	root = parse_event(&sample_command_line);
	expect_text(root, "process.command_line", "notepad.exe \"a b.txt\"");
	expect_text(root, "process.exe", "C:\\Windows\\notepad.exe");
	expect_text(root, "process.exe_nt", "\\Device\\HarddiskVolume2\\Windows\\notepad.exe");
	expect_absent(root, "process.exe_base64");
	expect_number(root, "process.session", 1);
	expect_text(root, "process.sid", "S-1-5-21-1-2-3-1001");
	expect_absent(root, "process.uid");
	json_decref(root);
}

static void writes_lost(void **state)
{
	json_t *root = parse_event(&sample_lost);

	(void)state;
	expect_text(root, "kind", "lost");
	expect_number(root, "seq", 4731);
	expect_number(root, "first", 4713);
	expect_number(root, "count", 19);
	expect_number(root, "start", 6);
	expect_number(root, "exec", 6);
	expect_number(root, "exit", 7);
	expect_absent(root, "exec_failed");
	expect_absent(root, "process");
	expect_text(root, "stage", "kernel");
	expect_text(root, "reason", "ring full");
	expect_text(root, "from", "2026-11-22T06:13:20.123456789Z");
	expect_text(root, "to", "2026-11-22T06:13:21.123456789Z");
	json_decref(root);
}

static const struct format_begin begin = {.time_ns = SAMPLE_TIME_NS,
					  .host = "web\"1",
					  .boot = "01234567-89ab-cdef-0123-456789abcdef",
					  .backend = "bpf",
					  .version = "0.1.0"};
static const struct procobsrv_statistics statistics = {
    .observed = 9000, .delivered = 8981, .lost = 19, .synthetic = 4};
static const struct format_end end = {
    .time_ns = SAMPLE_TIME_NS, .seq = 9000, .statistics = &statistics};

static void writes_begin_and_end(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	json_t *root;

	(void)state;
	format_json_begin(&buffer, &begin);
	root = parse(&buffer);
	expect_text(root, "kind", "begin");
	expect_text(root, "host", "web\"1");
	expect_text(root, "boot", begin.boot);
	expect_text(root, "backend", "bpf");
	expect_text(root, "version", "0.1.0");
	expect_absent(root, "limits");
	json_decref(root);

	format_json_end(&buffer, &end);
	root = parse(&buffer);
	expect_text(root, "kind", "end");
	expect_number(root, "seq", 9000);
	expect_number(root, "observed", 9000);
	expect_number(root, "delivered", 8981);
	expect_number(root, "filtered", 0);
	expect_number(root, "lost", 19);
	expect_absent(root, "pending");
	expect_absent(root, "synthetic"); /* there it means another thing */
	json_decref(root);

	format_json_process(&buffer, sample_exec.process);
	root = parse(&buffer);
	expect_text(root, "kind", "existing");
	expect_number(root, "process.pid", 812);
	expect_absent(root, "seq");
	json_decref(root);
}

static void leaves_out_what_is_not_known(void **state)
{
	json_t *root = parse_event(&sample_bare);

	(void)state;
	assert_int_equal(json_object_size(member(root, "process")), 3);
	expect_absent(root, "parent");
	expect_absent(root, "cursor");
	expect_absent(root, "exit");
	json_decref(root);
}

/* Every length and every place of an odd character: the fast path has edges at eight bytes. */
static void escapes_anywhere(void **state)
{
	static const char odd[] = "\"\\\x01\x1f\x7f\n\xc3\xff";
	char text[40];

	(void)state;
	for (size_t length = 1; length < sizeof text - 1; length++) {
		for (size_t place = 0; place < length; place++) {
			for (size_t i = 0; i < sizeof odd - 1; i++) {
				struct buffer buffer = BUFFER_EMPTY;
				json_t *value;
				bool valid;

				memset(text, 'x', length);
				text[length] = 0;
				text[place] = odd[i];
				valid = json_append_string(&buffer, text);
				assert_int_equal(valid, (unsigned char)odd[i] < 0x80);
				value = json_loadb(buffer.data, buffer.size, JSON_DECODE_ANY, NULL);
				assert_non_null(value);
				if (valid)
					assert_string_equal(json_string_value(value), text);
				else
					assert_int_equal(json_string_length(value), length + 2);
				json_decref(value);
				buffer_free(&buffer);
			}
		}
	}
}

static void formats_as_snprintf_does(void **state)
{
	char text[2048];
	char cut[11];
	intptr_t length = procobsrv_format(&sample_exec, PROCOBSRV_FORMAT_JSON, NULL, 0);

	(void)state;
	assert_true(length > 100 && length < (intptr_t)sizeof text);
	assert_int_equal(procobsrv_format(&sample_exec, PROCOBSRV_FORMAT_JSON, text, sizeof text),
			 length);
	assert_int_equal(strlen(text), length);
	assert_null(strchr(text, '\n'));
	assert_int_equal(procobsrv_format(&sample_exec, PROCOBSRV_FORMAT_JSON, cut, sizeof cut),
			 length);
	assert_string_equal(cut, "{\"schema\":");
	assert_int_equal(procobsrv_format(NULL, PROCOBSRV_FORMAT_JSON, cut, sizeof cut),
			 PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(procobsrv_format(&sample_exec, (enum procobsrv_format)7, cut, sizeof cut),
			 PROCOBSRV_ERROR_ARGUMENT);
}

static int print_samples(void)
{
	struct buffer buffer = BUFFER_EMPTY;

	format_json_begin(&buffer, &begin);
	for (const struct procobsrv_event *const *event = sample_events; *event != NULL; event++)
		format_json_event(&buffer, *event);
	format_json_process(&buffer, sample_exec.process);
	format_json_end(&buffer, &end);
	fwrite(buffer.data, 1, buffer.size, stdout);
	buffer_free(&buffer);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_exec),	    cmocka_unit_test(writes_everything),
	    cmocka_unit_test(keeps_odd_bytes),	    cmocka_unit_test(keeps_odd_units),
	    cmocka_unit_test(writes_other_kinds),   cmocka_unit_test(writes_lost),
	    cmocka_unit_test(writes_begin_and_end), cmocka_unit_test(leaves_out_what_is_not_known),
	    cmocka_unit_test(escapes_anywhere),	    cmocka_unit_test(formats_as_snprintf_does),
	};

	if (argc > 1 && strcmp(argv[1], "--samples") == 0)
		return print_samples();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
