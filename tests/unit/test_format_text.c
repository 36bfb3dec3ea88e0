/* SPDX-License-Identifier: MIT */
#include "format.h"
#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const struct format_text_options plain = {0};

static void expect(struct buffer *buffer, const char *expected)
{
	buffer_append_character(buffer, 0);
	assert_false(buffer->failed);
	assert_string_equal(buffer->data, expected);
	buffer_free(buffer);
}

static void expect_event(const struct procobsrv_event *event, const char *expected)
{
	struct buffer buffer = BUFFER_EMPTY;

	format_text_event(&buffer, event, &plain);
	expect(&buffer, expected);
}

static void writes_each_kind(void **state)
{
	(void)state;
	expect_event(&sample_existing,
		     "06:13:20.123 existing     812     811   1000  cc1 -E a.c -o 'two words'\n");
	expect_event(&sample_start, "06:13:20.123 start        812     811      0  make by make\n");
	expect_event(&sample_exec,
		     "06:13:20.123 exec         812     811   1000  cc1 -E a.c -o 'two words'\n");
	expect_event(&sample_exec_failed,
		     "06:13:20.123 failed       812     811   1000  /nope: ENOENT by cc1\n");
	expect_event(&sample_exit,
		     "06:13:20.123 exit         812     811   1000  cc1  exit 3  1.83ms  cpu "
		     "1.51ms\n");
	expect_event(
	    &sample_crowd,
	    "06:13:20.123 exit         812     811   1000  cc1  exit 0  cpu over 7.00ms\n");
	expect_event(&sample_killed,
		     "06:13:20.123 exit         812     811   1000  cc1  signal 11 (SEGV) core\n");
	expect_event(&sample_gone, "06:13:20.123 exit         812     811   1000  [synthetic] cc1  "
				   "status not known  5ns\n");
	expect_event(&sample_lost,
		     "             LOST 19 events (6 starts, 6 execs, 7 exits): ring full\n");
	expect_event(&sample_command_line,
		     "06:13:20.123 start       4000     811      -  notepad.exe \"a b.txt\" by "
		     "make, created by cc1 (812)\n");
	expect_event(&sample_bare, "00:00:00.000 exit           5       -      -  ''\n");
}

/* A program that calls itself something else is named first, and so are its rights. */
static void warns_first(void **state)
{
	(void)state;
	expect_event(
	    &sample_full,
	    "06:13:20.123 exec         900     811   1000  [synthetic] [setuid] [setgid] "
	    "[memfd] [argv truncated] $'/tmp/\\xe2\\x80\\xaeexe\xf0\x9f\x98\x80\\xed\\xa0\\x80'"
	    " as $'\\xff\\xfe' '' $'a\\nb'\n");
}

/* Windows: the command line as it was passed, backslashes as they are, all else escaped. */
static void writes_windows(void **state)
{
	struct procobsrv_process process = *sample_command_line.process;
	struct procobsrv_event event = {.kind = PROCOBSRV_START, .process = &process};
	static const char *argv[] = {"", NULL};

	(void)state;
	expect_event(
	    &sample_odd,
	    "06:13:20.123 start       4004    4000      -  "
	    "\\\\server\\a b\\\\u{dfff}\\u{202e}.exe as other \\u{d800} \\\"\\u{0000}\\u{001b}"
	    "[31m\\n by make\n");
	expect_event(&sample_crash,
		     "06:13:20.123 exit        4004    4000      -  \\u{dfff}\\u{202e}.exe  exit "
		     "0xc0000005  1.00us\n");

	process.argv = argv;
	process.argc = 1;
	process.command_line = "x y";
	argv[0] = "NOTEPAD"; /* neither case nor ".exe" makes another program of it */
	expect_event(&event, "             start       4000     811      -  x y\n");
	argv[0] = "c:/windows\\Notepad.EXE";
	expect_event(&event, "             start       4000     811      -  x y\n");
	argv[0] = "notepad.e";
	expect_event(&event, "             start       4000     811      -  "
			     "C:\\Windows\\notepad.exe as x y\n");
	argv[0] = "svchost.exe";
	process.exe = NULL;
	expect_event(&event, "             start       4000     811      -  "
			     "\\Device\\HarddiskVolume2\\Windows\\notepad.exe as x y\n");
	process.command_line = NULL;
	process.argv = NULL;
	process.argc = 0;
	expect_event(&event, "             start       4000     811      -  "
			     "\\Device\\HarddiskVolume2\\Windows\\notepad.exe\n");
	process.exe_nt = NULL;
	expect_event(&event, "             start       4000     811      -  notepad.exe\n");
}

static void expect_command(const struct procobsrv_process *process, const char *expected)
{
	struct buffer buffer = BUFFER_EMPTY;

	assert_int_equal(format_text_command(&buffer, process), expected != NULL);
	expect(&buffer, expected ? expected : "");
}

static void writes_commands(void **state)
{
	(void)state;
	expect_command(sample_exec.process, "cc1 -E a.c -o 'two words'");
	expect_command(sample_bare.process, NULL);
	expect_command(sample_command_line.process, "notepad.exe \"a b.txt\"");
}

static void expect_escaped(const char *text, const char *expected)
{
	struct buffer buffer = BUFFER_EMPTY;

	format_text_escape(&buffer, text);
	expect(&buffer, expected);
}

static void escapes(void **state)
{
	(void)state;
	expect_escaped("", "");
	expect_escaped("plain 'text' \"here\"", "plain 'text' \"here\"");
	expect_escaped("a\nb\tc\rd", "a\\nb\\tc\\rd");
	expect_escaped("\x1b[31m\x07\x7f", "\\x1b[31m\\x07\\x7f");
	expect_escaped("back\\slash", "back\\\\slash");
	expect_escaped("\xff\xc0\x80", "\\xff\\xc0\\x80");
	expect_escaped("\xe2\x82", "\\xe2\\x82");
	expect_escaped("\xc2\x9b"
		       "31m",
		       "\\u{009b}31m");
	expect_escaped("\xe2\x80\xae\xe2\x80\xa8\xf3\xa0\x81\x81", "\\u{202e}\\u{2028}\\u{e0041}");
	expect_escaped("\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80",
		       "\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80");
	/* Marks may not sit on what stands before the text, nor pile up. */
	expect_escaped("\xcc\x81"
		       "a",
		       "\\u{0301}a");
	expect_escaped("a\xcc\x81", "a\xcc\x81");
	expect_escaped("a\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
		       "a\xcc\x81\xcc\x81\xcc\x81\xcc\x81\\u{0301}");
}

static void quotes(void **state)
{
	static const char *const argv[] = {
	    "plain-1.0_@%+=:,/x", "",	      "a b", "$HOME",	     "it's", "a\nb'\\",
	    "\xc3\xa9",		  "\xc2\xa0", "*",   "\xe2\x80\xae", "~x"};
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	format_text_argv(&buffer, argv, sizeof argv / sizeof argv[0]);
	expect(&buffer, "plain-1.0_@%+=:,/x '' 'a b' '$HOME' $'it\\'s' $'a\\nb\\'\\\\' \xc3\xa9 "
			"'\xc2\xa0' '*' $'\\xe2\\x80\\xae' '~x'");
}

static size_t width(const char *text)
{
	return format_text_width(text, strlen(text));
}

static void tell_long(const struct procobsrv_process *process, char *text, size_t size)
{
	snprintf(text, size, process->uid == 1000 ? "verylongname" : "?");
}

static void tell_wide(const struct procobsrv_process *process, char *text, size_t size)
{
	(void)process;
	snprintf(text, size, "\xe6\x97\xa5\xe6\x9c\xac");
}

static void users_have_names(void **state)
{
	struct format_text_options options = {.user_name = tell_long};
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	format_text_event(&buffer, &sample_exec, &options);
	expect(&buffer,
	       "06:13:20.123 exec         812     811 veryl+  cc1 -E a.c -o 'two words'\n");
	options.user_name = tell_wide;
	buffer = BUFFER_EMPTY;
	format_text_event(&buffer, &sample_exec, &options);
	expect(&buffer, "06:13:20.123 exec         812     811   \xe6\x97\xa5\xe6\x9c\xac  "
			"cc1 -E a.c -o 'two words'\n");
}

static void measures_width(void **state)
{
	(void)state;
	assert_int_equal(width(""), 0);
	assert_int_equal(width("abc"), 3);
	assert_int_equal(width("\xc3\xa9"), 1);
	assert_int_equal(width("e\xcc\x81"), 1);
	assert_int_equal(width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	assert_int_equal(width("\033[1;31mred\033[0m"), 3);
	assert_int_equal(width("\\x1b"), 4);
}

/* However narrow: never wider, no half of anything, always the beginning of the whole. */
static void cuts(void **state)
{
	(void)state;
	for (const struct procobsrv_event *const *event = sample_events; *event != NULL; event++) {
		struct buffer whole = BUFFER_EMPTY;

		format_text_event(&whole, *event, &plain);
		for (unsigned columns = 1; columns < 250; columns++) {
			struct format_text_options options = {.columns = columns};
			struct buffer cut = BUFFER_EMPTY;
			size_t length;

			format_text_event(&cut, *event, &options);
			assert_true(cut.size > 0);
			length = cut.size - 1;
			assert_int_equal(cut.data[length], '\n');
			assert_true(format_text_width(cut.data, length) <= columns);
			assert_true(length < whole.size);
			assert_memory_equal(cut.data, whole.data, length);
			/* What did not fit any more is one character, escaped: twelve at most. */
			if (format_text_width(cut.data, length) + 12 <= columns)
				assert_int_equal(cut.size, whole.size);
			buffer_free(&cut);
		}
		buffer_free(&whole);
	}
}

static void colors(void **state)
{
	const struct format_text_options options = {.columns = 20, .color = true};
	struct buffer buffer = BUFFER_EMPTY;

	(void)state;
	format_text_event(&buffer, &sample_exit, &options);
	expect(&buffer, "06:13:20.123 \033[31mexit\033[0m   \n");
	/* The color ends even where the line is cut within it. */
	format_text_event(&buffer, &sample_lost, &options);
	expect(&buffer, "             \033[1;37;41mLOST 19\033[0m\n");
}

static void aligns_header(void **state)
{
	struct buffer header = BUFFER_EMPTY;
	struct buffer line = BUFFER_EMPTY;

	(void)state;
	format_text_header(&header, &plain);
	format_text_event(&line, &sample_exec, &plain);
	buffer_append_character(&header, 0);
	buffer_append_character(&line, 0);
	assert_ptr_equal(strstr(header.data, "COMMAND") - header.data,
			 (void *)(strstr(line.data, "cc1") - line.data));
	assert_int_equal(strstr(header.data, "PPID") + 4 - header.data,
			 strstr(line.data, " 811") + 4 - line.data);
	assert_int_equal(strstr(header.data, "KIND") - header.data,
			 strstr(line.data, "exec") - line.data);
	buffer_free(&header);
	buffer_free(&line);
}

static void expect_duration(uint64_t ns, const char *expected)
{
	struct procobsrv_exit status = {.has_status = 1, .duration_ns = ns};
	struct procobsrv_event event = sample_exit;
	struct buffer buffer = BUFFER_EMPTY;
	const char *duration;

	event.exit = &status;
	format_text_event(&buffer, &event, &plain);
	buffer.data[buffer.size - 1] = 0;
	duration = strstr(buffer.data, "exit 0  ");
	assert_non_null(duration);
	assert_string_equal(duration + strlen("exit 0  "), expected);
	buffer_free(&buffer);
}

static void tells_durations(void **state)
{
	(void)state;
	expect_duration(1, "1ns");
	expect_duration(999, "999ns");
	expect_duration(1000, "1.00us");
	expect_duration(12345, "12.3us");
	expect_duration(999999, "999us");
	expect_duration(1000000, "1.00ms");
	expect_duration(59999999999, "59.9s");
	expect_duration(60000000000, "1m00s");
	expect_duration(3723000000000, "1h02m");
	expect_duration(UINT64_C(90061000000000), "1d01h");
	expect_duration(UINT64_MAX, "213503d23h");
}

/* Around a change of the clocks, with a zone that is half an hour off. */
static void tells_local_time(void **state)
{
	static const struct {
		const char *zone;
		int64_t seconds;
		const char *expected;
	} cases[] = {
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774745999, "01:59:59.000"},
	    {"CET-1CEST,M3.5.0,M10.5.0/3", 1774746000, "03:00:00.000"},
	    {"IST-5:30", 1795328000, "11:43:20.000"},
	    {"NPT-5:45", 1795328000, "11:58:20.000"},
	    {"UTC0", -1, "23:59:59.000"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct procobsrv_event event = sample_exit;
		struct buffer buffer = BUFFER_EMPTY;

		if (!ground_set_zone(cases[i].zone))
			continue;
		/* Another time in between: what was remembered was of another zone. */
		event.time_ns = 86400 * INT64_C(1000000000) * (int64_t)(i + 1);
		format_text_event(&buffer, &event, &plain);
		buffer.size = 0;
		event.time_ns = cases[i].seconds * 1000000000;
		format_text_event(&buffer, &event, &plain);
		assert_memory_equal(buffer.data, cases[i].expected, strlen(cases[i].expected));
		buffer_free(&buffer);
	}
	ground_set_zone("UTC0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_each_kind), cmocka_unit_test(warns_first),
	    cmocka_unit_test(writes_windows),	cmocka_unit_test(writes_commands),
	    cmocka_unit_test(escapes),		cmocka_unit_test(quotes),
	    cmocka_unit_test(measures_width),	cmocka_unit_test(cuts),
	    cmocka_unit_test(colors),		cmocka_unit_test(aligns_header),
	    cmocka_unit_test(tells_durations),	cmocka_unit_test(tells_local_time),
	    cmocka_unit_test(users_have_names),
	};

	ground_set_zone("UTC0");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
