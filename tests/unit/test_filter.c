/* SPDX-License-Identifier: MIT */
#include "filter.h"
#include "harness.h"
#include "sample_events.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *expression, const struct procobsrv_event *event)
{
	struct filter *filter;
	bool result;

	if (filter_compile(expression, &filter) != 0)
		fail_msg("%s: %s", expression, procobsrv_explain());
	result = filter_match(filter, event);
	if (result && (filter_kinds(filter) & PROCOBSRV_KIND_BIT(event->kind)) == 0)
		fail_msg("%s: matches a kind that filter_kinds() leaves out", expression);
	filter_free(filter);
	return result;
}

#define TRUE_FOR(event, expression)                                                                \
	do {                                                                                       \
		if (!matches(expression, &(event)))                                                \
			fail_msg("should match " #event ": %s", expression);                       \
	} while (0)
#define FALSE_FOR(event, expression)                                                               \
	do {                                                                                       \
		if (matches(expression, &(event)))                                                 \
			fail_msg("should not match " #event ": %s", expression);                   \
	} while (0)

static void compares_text(void **state)
{
	(void)state;
	TRUE_FOR(sample_exec, "process.name == \"cc1\"");
	TRUE_FOR(sample_exec, "name == 'cc1'");
	TRUE_FOR(sample_exec, "name==cc1");
	FALSE_FOR(sample_exec, "name == cc");
	FALSE_FOR(sample_exec, "name == cc11");
	TRUE_FOR(sample_exec, "name != cc");
	FALSE_FOR(sample_exec, "name != cc1");
	TRUE_FOR(sample_exec, "name < cc2 and name > cc0 and name >= cc1 and name <= cc1");
	FALSE_FOR(sample_exec, "name < cc1 or name > cc1");
	TRUE_FOR(sample_exec, "cwd == /src && exe == /usr/libexec/gcc/cc1");
	TRUE_FOR(sample_exec, "parent.name == make && parent.id == \"boot-811-100\"");
	TRUE_FOR(sample_exec, "kind == exec");
	FALSE_FOR(sample_exec, "kind == exit");
	TRUE_FOR(sample_exec, "cursor == stream-4711");
	TRUE_FOR(sample_command_line, "sid ~ S-1-5-* and command_line =~ '\"a b'");
	TRUE_FOR(sample_exec_failed, "attempt.path == /nope and error.name == ENOENT");
	TRUE_FOR(sample_lost, "lost.stage == kernel and lost.reason == 'ring full'");
	TRUE_FOR(sample_full, "process.cgroup_path ~ \"/system.slice/\\xe9.service\"");
}

static void compares_numbers(void **state)
{
	(void)state;
	TRUE_FOR(sample_exec, "pid == 812 and pid != 811 and pid > 811 and pid < 0x32d");
	TRUE_FOR(sample_exec, "pid >= 812 and pid <= 812");
	FALSE_FOR(sample_exec, "pid < 812");
	FALSE_FOR(sample_exec, "pid > 812");
	TRUE_FOR(sample_exec, "seq == 4711");
	TRUE_FOR(sample_exec, "uid == \"1000\"");
	TRUE_FOR(sample_exec, "pid > -5");
	TRUE_FOR(sample_exec, "cgroup == 18446744073709551615");
	TRUE_FOR(sample_exec, "cgroup == \"18446744073709551615\"");
	FALSE_FOR(sample_exec, "cgroup == 18446744073709551614");
	TRUE_FOR(sample_exec, "uid == euid");
	FALSE_FOR(sample_full, "uid == euid");
	TRUE_FOR(sample_full, "uid != process.euid");
	TRUE_FOR(sample_exec, "ppid == parent.pid");
	TRUE_FOR(sample_exec, "pid ~ 8?2 and pid =~ ^81");
	TRUE_FOR(sample_full, "namespaces.pid == 4026531836");
	TRUE_FOR(sample_full, "process.namespaces.pid == 4026531836");
	TRUE_FOR(sample_exec_failed, "error.errno == 2");
	TRUE_FOR(sample_lost, "lost.count > 18 and lost.first == 4713");
}

static void understands_units(void **state)
{
	(void)state; /* 1.830211 ms, 1843200 bytes, 1.512 ms */
	TRUE_FOR(sample_exit, "exit.duration_ns > 1ms and exit.duration_ns < 2ms");
	TRUE_FOR(sample_exit, "exit.duration_ns > 1.83ms and exit.duration_ns < 1.84ms");
	TRUE_FOR(sample_exit, "exit.cpu_ns == 1.512ms and exit.cpu_ns == 1512us");
	TRUE_FOR(sample_exit, "exit.duration_ns < 1s and exit.duration_ns < 1m");
	TRUE_FOR(sample_exit, "exit.duration_ns < 1h and exit.duration_ns < 200d");
	TRUE_FOR(sample_exit, "exit.max_rss_bytes == 1800K and exit.max_rss_bytes == 1800KiB");
	TRUE_FOR(sample_exit, "exit.max_rss_bytes > 1.5M and exit.max_rss_bytes < 1G");
}

static void knows_what_is_absent(void **state)
{
	(void)state;
	/* No comparison holds for a field that is not there, != neither. */
	FALSE_FOR(sample_exec, "exit.code == 0");
	FALSE_FOR(sample_exec, "exit.code != 0");
	TRUE_FOR(sample_exec, "!(exit.code == 0)");
	FALSE_FOR(sample_gone, "exit.code >= 0");
	FALSE_FOR(sample_gone, "exit.core_dumped == false");
	FALSE_FOR(sample_lost, "process.name != x");
	FALSE_FOR(sample_lost, "setuid == false");
	FALSE_FOR(sample_exec, "ns_pid != 3");
	FALSE_FOR(sample_exec, "tty ~ \"pts/2\"");
	FALSE_FOR(sample_exit, "process.script ~ \"*\"");
	FALSE_FOR(sample_killed, "exit.duration_ns < 1s");
	FALSE_FOR(sample_exec, "uid != ns_pid");
	FALSE_FOR(sample_exec, "creator.pid not in (1, 2)");
	FALSE_FOR(sample_exec, "missing != exe");
}

static void knows_booleans(void **state)
{
	(void)state;
	TRUE_FOR(sample_full, "setuid and process.memfd && deleted && synthetic");
	FALSE_FOR(sample_exec, "setuid");
	TRUE_FOR(sample_exec, "!setuid");
	TRUE_FOR(sample_exec, "not setuid");
	TRUE_FOR(sample_exec, "setuid == false and setuid != true");
	FALSE_FOR(sample_exec, "setuid == true or setuid != false");
	TRUE_FOR(sample_full, "setuid == true and setuid != false");
	TRUE_FOR(sample_killed, "exit.core_dumped");
	TRUE_FOR(sample_exit, "exit.core_dumped == false");
}

static void combines(void **state)
{
	(void)state;
	/* && binds closer than ||, ! closer than both. */
	TRUE_FOR(sample_exec, "pid == 812 || pid == 1 && pid == 2");
	FALSE_FOR(sample_exec, "(pid == 812 || pid == 1) && pid == 2");
	TRUE_FOR(sample_exec, "!pid == 1 && pid == 812");
	TRUE_FOR(sample_exec, "!(pid == 1) && !!(pid == 812)");
	TRUE_FOR(sample_exec, "not not pid == 812");
	FALSE_FOR(sample_exec, "!(pid == 1 || pid == 812)");
	TRUE_FOR(sample_exec, "!(pid == 1 && pid == 812)");
	TRUE_FOR(sample_exec, "pid==1||pid==2||pid==812&&name==cc1");
	FALSE_FOR(sample_exec, "pid == 812 and (name == x or name == y) or name == z");
	TRUE_FOR(sample_exec, " (\t(\n((pid == 812)) ) ) ");
}

static void knows_lists(void **state)
{
	(void)state;
	TRUE_FOR(sample_exec, "name in (\"sh\", 'bash', cc1)");
	FALSE_FOR(sample_exec, "name in (sh, bash)");
	TRUE_FOR(sample_exec, "name not in (sh, bash)");
	FALSE_FOR(sample_exec, "name not in (sh, cc1)");
	TRUE_FOR(sample_exec, "pid in (1, 0x32c)");
	TRUE_FOR(sample_exec, "pid in(812)");
	FALSE_FOR(sample_exec, "pid in (1, 2)");
	TRUE_FOR(sample_exec, "kind in (exec, exit)");
	TRUE_FOR(sample_exec, "argv in (foo, \"two words\")");
	TRUE_FOR(sample_exec, "argv not in (foo, bar)");
	FALSE_FOR(sample_exec, "argv not in (foo, -E)");
}

static void looks_into_vectors(void **state)
{
	(void)state;
	TRUE_FOR(sample_exec, "argv == -E");
	FALSE_FOR(sample_exec, "argv == -X");
	TRUE_FOR(sample_exec, "argv != -X");
	FALSE_FOR(sample_exec, "argv != -E");
	TRUE_FOR(sample_exec, "argv ~ '*.c'");
	FALSE_FOR(sample_exec, "argv ~ 'cc1 *'");
	TRUE_FOR(sample_exec, "argv =~ '^two words$'");
	/* Joined by spaces, too. */
	TRUE_FOR(sample_exec, "argv =~ 'a\\.c -o two'");
	TRUE_FOR(sample_exec, "argv =~ '^cc1 .* words$'");
	FALSE_FOR(sample_exec, "argv =~ 'cc1 a'");
	TRUE_FOR(sample_full, "env ~ LANG=* and missing == argv and missing =~ inter");
	TRUE_FOR(sample_exec_failed, "attempt.argv == a.c");
}

static void compares_times(void **state)
{
	(void)state;
	TRUE_FOR(sample_exec, "time > \"2026-11-22\" and time < \"2026-11-22T06:14\"");
	TRUE_FOR(sample_exec, "time >= 2026-11-22T06:13:20.123456789Z");
	TRUE_FOR(sample_exec, "process.start ~ 2026-*");
	TRUE_FOR(sample_lost, "lost.from < 2027");
	FALSE_FOR(sample_lost, "time < 2027");
}

static void reads_strings(void **state)
{
	(void)state;
	TRUE_FOR(sample_full, "name == \"\\x1b[31mred\\xff\"");
	TRUE_FOR(sample_full, "argv == \"a\\nb\"");
	TRUE_FOR(sample_full, "cwd == '/tmp/\"quoted\"\\\\\\x7f'");
	TRUE_FOR(sample_exec, "name == 'cc1' and name != 'it\\'s'");
	TRUE_FOR(sample_exec, "argv =~ \"^a\\.c$\"");
	FALSE_FOR(sample_exec, "argv =~ \"^a\\\\.\\\\.c$\"");
}

static void expect_kinds(const char *expression, uint32_t kinds)
{
	struct filter *filter;

	if (filter_compile(expression, &filter) != 0)
		fail_msg("%s: %s", expression, procobsrv_explain());
	if (filter_kinds(filter) != kinds)
		fail_msg("%s: kinds %x, not %x", expression, filter_kinds(filter), kinds);
	filter_free(filter);
}

static void tells_kinds(void **state)
{
	const uint32_t all = PROCOBSRV_KINDS_ALL;
	const uint32_t exec = PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC);
	const uint32_t exit = PROCOBSRV_KIND_BIT(PROCOBSRV_EXIT);
	const uint32_t lost = PROCOBSRV_KIND_BIT(PROCOBSRV_LOST);
	const uint32_t failed = PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED);

	(void)state;
	expect_kinds("kind == exec", exec);
	expect_kinds("kind != exec", all & ~exec);
	expect_kinds("!(kind == exec)", all & ~exec);
	expect_kinds("kind == exec or exit.code > 0", exec | exit);
	expect_kinds("kind == exec and exit.code > 0", 0);
	expect_kinds("kind in (exec, exit) and uid == 0", exec | exit);
	expect_kinds("kind not in (exec, exit)", all & ~(exec | exit));
	expect_kinds("kind ~ 'ex*' and kind =~ 'd$'", failed);
	expect_kinds("!(exit.code > 0)", all);
	expect_kinds("!(kind == exec || kind == exit) && uid == 0", all & ~(exec | exit | lost));
	expect_kinds("!!(lost.count > 0)", lost);
	expect_kinds("seq > 1", all);
	expect_kinds("error.errno == 2 or attempt.path ~ x", failed);
	expect_kinds("uid == 0", all & ~lost);
}

static void expect_error(const char *expression, unsigned column, const char *what)
{
	struct filter *filter = (struct filter *)&filter;
	char place[32];
	const char *explanation;
	const char *line;

	if (filter_compile(expression, &filter) != PROCOBSRV_ERROR_EXPRESSION)
		fail_msg("should not compile: %s", expression);
	assert_ptr_equal(filter, &filter); /* outputs are untouched */
	explanation = procobsrv_explain();
	snprintf(place, sizeof place, "column %u: ", column);
	if (strncmp(explanation, place, strlen(place)) != 0 || strstr(explanation, what) == NULL)
		fail_msg("%s: expected %s...%s, got %s", expression, place, what, explanation);
	line = strchr(explanation, '\n');
	assert_non_null(line);
	line = strchr(line + 1, '\n');
	assert_non_null(line);
	assert_int_equal(strspn(line + 1, " ") + 1, strlen(line + 1));
	assert_int_equal(line[strlen(line) - 1], '^');
	for (const char *at = explanation; *at != 0; at++)
		assert_true((unsigned char)*at >= 0x20 || *at == '\n');
}

/* In one line: there is nothing to show. */
static void expect_empty(const char *expression)
{
	struct filter *filter = NULL;

	assert_int_equal(filter_compile(expression, &filter), PROCOBSRV_ERROR_EXPRESSION);
	assert_null(filter);
	assert_string_equal(procobsrv_explain(), "the match expression is empty");
}

static void expect_no_guess(const char *expression)
{
	struct filter *filter = NULL;

	assert_int_equal(filter_compile(expression, &filter), PROCOBSRV_ERROR_EXPRESSION);
	assert_null(strstr(procobsrv_explain(), "did you mean"));
}

static void guesses_only_what_is_near(void **state)
{
	(void)state;
	expect_error("process.nmae == x", 1, "did you mean process.name?");
	expect_error("process.argvs == x", 1, "did you mean process.argv?");
	expect_error("kidn == x", 1, "did you mean kind?");
	expect_no_guess("process.zzzz == x");
	expect_no_guess("process.qq == x");
	expect_no_guess("x == 1");
	expect_no_guess("foo == 1");
}

static void explains_errors(void **state)
{
	(void)state;
	expect_empty("");
	expect_empty("   ");
	expect_error("proces.name == x", 1, "did you mean process.name?");
	expect_error("pid == 1 && nmae == x", 13, "did you mean");
	expect_error("qqqqqqqqqqqq == x", 1, "no field is named qqqqqqqqqqqq");
	expect_error("name", 5, "an operator is expected");
	expect_error("name =", 6, "==");
	expect_error("name = x", 6, "write ==");
	expect_error("name !~ x", 6, "write !(");
	expect_error("name ==", 8, "a value is expected");
	expect_error("name == and", 9, "in quotes");
	expect_error("name == \"x", 9, "not closed");
	expect_error("name == \"\\xzz\"", 10, "hexadecimal");
	expect_error("name == \"\\x00\"", 10, "NUL");
	expect_error("pid == abc", 8, "is a number");
	expect_error("pid == 1.5", 8, "is a number");
	expect_error("pid == 99999999999999999999", 8, "is a number");
	expect_error("pid == 5q", 8, "is a number");
	expect_error("pid in (1, x)", 12, "is a number");
	expect_error("pid == name", 8, "is a number");
	expect_error("kind == exce", 9, "no kind is named exce");
	expect_error("kind in (exec, foo)", 16, "no kind is named foo");
	expect_error("setuid > 1", 8, "true or false");
	expect_error("setuid == maybe", 11, "true or false");
	expect_error("argv < x", 6, "no order");
	expect_error("name in x", 9, "a list");
	expect_error("name in ()", 10, "a value is expected");
	expect_error("name in (a", 11, "a comma");
	expect_error("name in (a b)", 12, "a comma");
	expect_error("name not x", 6, "not in");
	expect_error("(name == a", 1, "not closed");
	expect_error("(name == a name", 12, "is expected here");
	expect_error("name == a)", 10, "closes nothing");
	expect_error("name == a b", 11, "the end is expected");
	expect_error("name == a &&", 13, "the name of a field");
	expect_error("name == a & name == b", 11, "the end is expected");
	expect_error("&& name == a", 1, "the name of a field");
	expect_error("name =~ \"a(\"", 9, "not closed");
	expect_error("name =~ \"*\"", 9, "nothing to repeat");
	expect_error("\xc3\xa9\xe6\x97\xa5 == 1", 1, "the name of a field");
	expect_error("name == \"\xe6\x97\xa5\" x", 13, "the end is expected");
	expect_error("name == \x1b[31m", 9, "a value is expected");
}

static void points_into_long_expressions(void **state)
{
	char expression[3000];
	size_t length = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		length += (size_t)snprintf(expression + length, sizeof expression - length,
					   "name == n%02d or ", i);
	snprintf(expression + length, sizeof expression - length, "bogus_field == 1 or name == x");
	expect_error(expression, (unsigned)length + 1, "no field is named bogus_field");
	assert_non_null(strstr(procobsrv_explain(), "\n...== n97 or name"));
	assert_true(strlen(procobsrv_explain()) < 300);
}

/* However deep or long: an error or a result, no exhausted stack. */
static void bears_excess(void **state)
{
	struct filter *filter;
	char *text = malloc(200000);
	size_t length = 0;

	(void)state;
	assert_non_null(text);
	memset(text, '(', 60000);
	text[60000] = 0;
	expect_error(text, 101, "too many parentheses");
	memset(text, '!', 60000);
	memcpy(text + 60000, "setuid", sizeof "setuid");
	assert_true(matches(text, &sample_full));
	for (int i = 0; i < 5000; i++)
		length += (size_t)sprintf(text + length, "pid==1 or ");
	memcpy(text + length, "pid == 812", sizeof "pid == 812");
	assert_true(matches(text, &sample_exec));
	length = (size_t)sprintf(text, "pid in (");
	for (int i = 0; i < 10000; i++)
		length += (size_t)sprintf(text + length, "%d,", i + 1000);
	memcpy(text + length, "812)", sizeof "812)");
	assert_true(matches(text, &sample_exec));
	memset(text, ' ', 70000);
	text[70000] = 0;
	assert_int_equal(filter_compile(text, &filter), PROCOBSRV_ERROR_EXPRESSION);
	assert_int_equal(filter_compile(NULL, &filter), PROCOBSRV_ERROR_ARGUMENT);
	free(text);
	filter_free(NULL);
}

static void lists_fields(void **state)
{
	size_t count = 0;

	(void)state;
	for (const char *const *field = filter_fields(); *field != NULL; field++, count++) {
		char expression[80];
		struct filter *filter;
		int error;

		snprintf(expression, sizeof expression, "%s == 1", *field);
		error = filter_compile(expression, &filter);
		if (error == 0)
			filter_free(filter);
		else /* a flag or the kind */
			assert_null(strstr(procobsrv_explain(), "no field"));
	}
	assert_true(count > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(compares_text),
	    cmocka_unit_test(compares_numbers),
	    cmocka_unit_test(understands_units),
	    cmocka_unit_test(knows_what_is_absent),
	    cmocka_unit_test(knows_booleans),
	    cmocka_unit_test(combines),
	    cmocka_unit_test(knows_lists),
	    cmocka_unit_test(looks_into_vectors),
	    cmocka_unit_test(compares_times),
	    cmocka_unit_test(reads_strings),
	    cmocka_unit_test(tells_kinds),
	    cmocka_unit_test(explains_errors),
	    cmocka_unit_test(guesses_only_what_is_near),
	    cmocka_unit_test(points_into_long_expressions),
	    cmocka_unit_test(bears_excess),
	    cmocka_unit_test(lists_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
