/* SPDX-License-Identifier: MIT */
/* Commands for events: real programs, made events. */
#include "sink_ground.h"

#include "format.h"
#include "ground.h"
#include "harness.h"
#include "notice.h"
#include "os.h"
#include "sample_events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 30000

static char notices[4096];

static void take_notice(const char *line)
{
	strncat(notices, line, sizeof notices - strlen(notices) - 2);
	strcat(notices, "\n");
}

static struct open_sink open_command(const char *const *run, const char *const *assignments)
{
	struct open_sink opened = {.operations = &sink_command,
				   .values = sink_values(&sink_command, assignments)};

	sink_values_list(&sink_command, opened.values, "run", run);
	if (sink_command.open(opened.values, &opened.sink))
		fail_msg("%s", procobsrv_explain());
	return opened;
}

/* As the runner does it: each event is shown, then those that match are written. */
static int offer(struct open_sink *opened, const struct procobsrv_event *event)
{
	opened->operations->see(opened->sink, event);
	return opened->operations->write(opened->sink, &event, 1);
}

static void must_offer(struct open_sink *opened, const struct procobsrv_event *event)
{
	if (offer(opened, event))
		fail_msg("%s", procobsrv_explain());
}

/* The text of a file, once it is there; the writer renames it when it is whole. */
static char *wait_for_file(const char *directory, const char *name)
{
	char *text = calloc(1, 1 << 20);
	char path[512];
	FILE *file = NULL;

	assert_non_null(text);
	snprintf(path, sizeof path, "%s/%s", directory, name);
	for (int waited = 0; !file && waited < WAIT_MS; waited += 5) {
		file = fopen(path, "r");
		if (!file)
			sleep_ms(5);
	}
	if (!file)
		fail_msg("no %s after %d ms", path, WAIT_MS);
	assert_true(fread(text, 1, (1 << 20) - 1, file) < (1 << 20) - 1);
	fclose(file);
	assert_int_equal(unlink(path), 0);
	return text;
}

static void tend_until_none_runs(struct open_sink *opened, const char *words)
{
	notices[0] = '\0';
	for (int waited = 0; !strstr(notices, words) && waited < WAIT_MS; waited += 5) {
		assert_int_equal(opened->operations->tend(opened->sink), 0);
		sleep_ms(5);
	}
	if (!strstr(notices, words))
		fail_msg("no notice with '%s', but: %s", words, notices);
}

static const char *const no_settings[] = {NULL};

static void expect_line(const char *text, const char *line)
{
	size_t length = strlen(line);

	for (const char *at = text; at && *at; at = strchr(at, '\n'), at += at != NULL) {
		if (!strncmp(at, line, length) && (at[length] == '\n' || !at[length]))
			return;
	}
	fail_msg("no line '%s' in: %s", line, text);
}

static const char keep_all[] = "cat >\"$0/1\"; env >\"$0/2\"; printf '<%s>\\n' \"$@\" "
			       ">\"$0/3\"; mv \"$0/1\" \"$0/json\"; "
			       "mv \"$0/2\" \"$0/env\"; mv \"$0/3\" \"$0/args\"";

static void test_what_it_is_given(void **state)
{
	char *directory = directory_make();
	const char *const run[] = {"/bin/sh",
				   "-c",
				   keep_all,
				   directory,
				   "{process.pid}",
				   "{{x}",
				   "n={process.name}",
				   "{exit.code}",
				   "--",
				   "{process.name}{process.cwd}",
				   "",
				   NULL};
	struct open_sink opened = open_command(run, no_settings);
	struct procobsrv_process process = *sample_exec.process;
	struct procobsrv_event event = sample_exec;
	struct buffer json = BUFFER_EMPTY;
	char *text;

	(void)state;
	process.name = "-rf $(id) '\"\n* ;";
	event.process = &process;
	must_offer(&opened, &event);
	text = wait_for_file(directory, "args");
	assert_string_equal(text, "<812>\n<{x}>\n<n=-rf $(id) '\"\n* ;>\n<>\n<-->\n"
				  "<-rf $(id) '\"\n* ;/src>\n<>\n");
	free(text);
	text = wait_for_file(directory, "json");
	format_json_event(&json, &event);
	assert_int_equal(strlen(text), json.size);
	assert_memory_equal(text, json.data, json.size);
	free(text);
	buffer_free(&json);
	text = wait_for_file(directory, "env");
	expect_line(text, "PROCOBSRV_KIND=exec");
	expect_line(text, "PROCOBSRV_PID=812");
	expect_line(text, "PROCOBSRV_EXE=/usr/libexec/gcc/cc1");
	expect_line(text, "PROCOBSRV_PARENT_NAME=make");
	expect_line(text, "PROCOBSRV_NAME=-rf $(id) '\"");
	expect_line(text, "LANG=C.UTF-8");
	assert_null(strstr(text, "PROCOBSRV_EXIT_CODE"));
	assert_null(strstr(text, "PROCOBSRV_SETUID"));
	assert_null(strstr(text, "TEST_SECRET"));
	free(text);
	assert_int_equal(sink_statistics_of(&opened).written, 1);
	sink_close(&opened);
	directory_remove(directory);
}

static void expect_refused(const char *const *run, const char *assignment, bool is_text,
			   const char *words)
{
	const char *const assignments[] = {assignment, NULL};
	struct setting_value *values = sink_values(&sink_command, assignments);
	struct sink *sink = NULL;

	sink_values_list(&sink_command, values, "run", run);
	if (is_text) {
		size_t wrong = 99;

		assert_int_equal(sink_command.check(values, &wrong), PROCOBSRV_ERROR_ARGUMENT);
		assert_string_equal(sink_command.settings[wrong].name, "run");
	}
	assert_true(sink_command.open(values, &sink) < 0);
	assert_null(sink);
	if (!strstr(procobsrv_explain(), words))
		fail_msg("no '%s' in: %s", words, procobsrv_explain());
	free(values);
}

static void test_refused(void **state)
{
	static const struct {
		const char *run[4];
		const char *words;
		bool is_text; /* wrong whatever the machine is like */
	} wrong[] = {
	    {{"touch", "/tmp/x"}, "not an absolute path", true},
	    {{"/nonexistent/program"}, "No such file", false},
	    {{"/bin/true", "{process.pids}"}, "do you mean process.pid", true},
	    {{"/bin/true", "{process.argv}"}, "is a list", true},
	    {{"/bin/true", "{process.pid"}, "lacks a }", true},
	    {{"/bin/true", "{process.exe}"}, "could become an option", true},
	    {{"/bin/true", "{name}x"}, "could become an option", true},
	    {{"{process.exe}"}, "not an absolute path", true},
	};
	static const char *const good[] = {"/bin/true", "a{name}", "--", "{name}", NULL};

	(void)state;
	for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++)
		expect_refused(wrong[at].run, NULL, wrong[at].is_text, wrong[at].words);
	expect_refused(good, "user=no-such-user", false, "no user");
	if (geteuid())
		expect_refused(good, "user=root", false, "CAP_SETUID");
}

static void test_rate(void **state)
{
	static const char *const run[] = {"/bin/true", NULL};
	static const char *const settings[] = {"rate=1/h", "burst=3", NULL};
	static const char *const quick[] = {"rate=10/s", "burst=1", NULL};
	struct open_sink opened = open_command(run, settings);

	(void)state;
	for (int count = 0; count < 10; count++)
		must_offer(&opened, &sample_exec);
	assert_int_equal(sink_statistics_of(&opened).written, 3);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 7);
	notices[0] = '\0';
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_non_null(strstr(notices, "7 events were left out (/bin/true)"));
	/* It is told once a minute, not each second. */
	notices[0] = '\0';
	must_offer(&opened, &sample_exec);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_string_equal(notices, "");
	sink_close(&opened);

	/* Time gives it back, up to `burst`. */
	opened = open_command(run, quick);
	must_offer(&opened, &sample_exec);
	sleep_ms(110);
	must_offer(&opened, &sample_exec);
	assert_int_equal(sink_statistics_of(&opened).written, 2);
	sink_close(&opened);
}

static const char stay[] = "trap '' TERM; echo $$ >\"$0/a\"; mv \"$0/a\" \"$0/pid\"; sleep 60 "
			   "& wait; while :; do sleep 60; done";

static void test_timeout(void **state)
{
	char *directory = directory_make();
	const char *const run[] = {"/bin/sh", "-c", stay, directory, NULL};
	static const char *const settings[] = {"timeout=100ms", NULL};
	struct open_sink opened = open_command(run, settings);
	char *text;
	pid_t pid;

	(void)state;
	must_offer(&opened, &sample_exec);
	text = wait_for_file(directory, "pid");
	pid = (pid_t)atoi(text);
	free(text);
	assert_true(pid > 0);
	tend_until_none_runs(&opened, "took longer than `timeout`");
	/* It does not mind SIGTERM; two seconds later it is not asked. */
	for (int waited = 0; kill(-pid, 0) == 0 && waited < WAIT_MS; waited += 20) {
		assert_int_equal(opened.operations->tend(opened.sink), 0);
		sleep_ms(20);
	}
	assert_int_equal(kill(-pid, 0), -1);
	sink_close(&opened);
	directory_remove(directory);
}

static void test_failing_command(void **state)
{
	static const char *const run[] = {"/bin/sh", "-c", "exit 3", NULL};
	struct open_sink opened = open_command(run, no_settings);

	(void)state;
	must_offer(&opened, &sample_exec);
	tend_until_none_runs(&opened, "1 commands failed (/bin/sh), the last with status 3");
	sink_close(&opened);
}

static void test_at_most(void **state)
{
	static const char *const run[] = {"/bin/sleep", "0.2", NULL};
	static const char *const settings[] = {"at-most=2", NULL};
	struct open_sink opened = open_command(run, settings);
	uint64_t begin = os_monotonic_ns();

	(void)state;
	for (int count = 0; count < 5; count++)
		must_offer(&opened, &sample_exec);
	/* The fifth waited for two rounds. */
	assert_true(os_monotonic_ns() - begin >= 400000000);
	assert_int_equal(sink_statistics_of(&opened).written, 5);
	sink_close(&opened);
}

static const char tell_state[] =
    "{{ grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd; readlink /proc/$$/cwd; "
    "cut -d' ' -f1,6 /proc/$$/stat; umask; } >\"$0/a\"; mv \"$0/a\" \"$0/found\"";

/* 32 and 33 are the C library's own, which no program can set; it may hand them on as ignored. */
static void expect_nothing_ignored(const char *status)
{
	const uint64_t own = UINT64_C(3) << 31;
	const char *line = strstr(status, "SigIgn:\t");

	assert_non_null(line);
	assert_int_equal(strtoull(line + strlen("SigIgn:\t"), NULL, 16) & ~own, 0);
}

/* Whatever state the service is in, a command begins clean. */
static void test_clean_beginning(void **state)
{
	char *directory = directory_make();
	const char *const run[] = {"/bin/sh", "-c", tell_state, directory, NULL};
	int leak = open("/dev/null", O_RDONLY);
	int numbers[2];
	struct open_sink opened;
	sigset_t all, before;
	char *text, *line;

	(void)state;
	assert_true(leak > 2);
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	opened = open_command(run, no_settings);
	must_offer(&opened, &sample_exec);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	text = wait_for_file(directory, "found");
	expect_line(text, "SigBlk:\t0000000000000000");
	expect_nothing_ignored(text);
	expect_line(text, "0022");
	/* 3 is the directory that ls reads. */
	if (!strstr(text, "\n0\n1\n2\n3\n/\n"))
		fail_msg("it has a descriptor that is not its own: %s", text);
	line = strrchr(text, ' ');
	while (line > text && line[-1] != '\n')
		line--;
	assert_int_equal(sscanf(line, "%d %d", &numbers[0], &numbers[1]), 2);
	assert_int_equal(numbers[0], numbers[1]);
	free(text);
	close(leak);
	sink_close(&opened);
	directory_remove(directory);
}

static const char tell_user[] = "{{ id -u; id -g; grep CapEff /proc/$$/status; } >\"$0/a\"; mv "
				"\"$0/a\" \"$0/id\"";

static void test_user(void **state)
{
	char *directory = directory_make();
	const char *const run[] = {"/bin/sh", "-c", tell_user, directory, NULL};
	static const char *const settings[] = {"user=nobody", NULL};
	struct open_sink opened;
	char *text;

	(void)state;
	if (geteuid()) {
		directory_remove(directory);
		skip();
	}
	assert_int_equal(chmod(directory, 0777), 0);
	opened = open_command(run, settings);
	must_offer(&opened, &sample_exec);
	text = wait_for_file(directory, "id");
	assert_string_equal(text, "65534\n65534\nCapEff:\t0000000000000000\n");
	free(text);
	sink_close(&opened);
	directory_remove(directory);
}

/* Processes as the kernel would tell of them. */
struct made_process {
	struct procobsrv_process process;
	char id[32];
};

static void make_process(struct made_process *made, uint32_t pid)
{
	made->process = *sample_exec.process;
	made->process.pid = pid;
	snprintf(made->id, sizeof made->id, "boot-%u", pid);
	made->process.id = made->id;
}

static struct procobsrv_event event_of(enum procobsrv_kind kind, const struct made_process *process,
				       const struct made_process *parent)
{
	static uint64_t seq = 100;
	struct procobsrv_event event = sample_exec;

	event.kind = kind;
	event.seq = ++seq;
	event.cursor = NULL;
	event.boot_ns = os_boot_ns();
	event.process = &process->process;
	event.parent = &parent->process;
	return event;
}

/* Whether a command was run for the event. */
static bool runs_for(struct open_sink *opened, const struct procobsrv_event event)
{
	uint64_t before = sink_statistics_of(opened).written;

	must_offer(opened, &event);
	return sink_statistics_of(opened).written != before;
}

static void test_family(void **state)
{
	static const char *const run[] = {"/bin/true", NULL};
	static const char *const settings[] = {"rate=1000/s", "burst=1000", NULL};
	struct open_sink opened = open_command(run, settings);
	struct made_process service, init, command, child, grandchild, stranger, late;

	(void)state;
	make_process(&service, (uint32_t)getpid());
	make_process(&init, 1);
	make_process(&command, 70001);
	make_process(&child, 70002);
	make_process(&grandchild, 70003);
	make_process(&stranger, 70004);
	make_process(&late, 70005);
	assert_true(runs_for(&opened, event_of(PROCOBSRV_EXEC, &stranger, &init)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_START, &command, &service)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXEC, &command, &service)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_START, &child, &command)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXIT, &command, &service)));
	/* Its parent has ended: it is init's now, and so are those that it starts then. */
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXEC, &child, &init)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_START, &grandchild, &child)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXEC, &grandchild, &init)));
	/* One that a member creates for somebody else, and one whose start was missed. */
	struct procobsrv_event created = event_of(PROCOBSRV_START, &late, &stranger);
	created.creator = &grandchild.process;
	assert_false(runs_for(&opened, created));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXIT, &late, &stranger)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXIT, &child, &init)));
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXEC, &service, &init)));
	/* The same pid is another process: another identity. */
	snprintf(child.id, sizeof child.id, "boot-again");
	assert_true(runs_for(&opened, event_of(PROCOBSRV_EXEC, &child, &init)));
	/* Before the service was there, its pid was somebody else's. */
	struct procobsrv_event old = event_of(PROCOBSRV_EXEC, &stranger, &service);
	old.boot_ns = 1;
	assert_true(runs_for(&opened, old));
	assert_int_equal(sink_statistics_of(&opened).suppressed, 11);
	sink_close(&opened);

	/* Other settings: those that still run are known. */
	opened = open_command(run, settings);
	assert_false(runs_for(&opened, event_of(PROCOBSRV_EXEC, &grandchild, &init)));
	assert_true(runs_for(&opened, event_of(PROCOBSRV_EXEC, &stranger, &init)));
	sink_close(&opened);
}

/* Each command causes what matches again, as a match without a condition would have it. */
static void test_no_loop(void **state)
{
	static const char *const run[] = {"/bin/true", NULL};
	static const char *const settings[] = {"rate=1000/s", "burst=100000", NULL};
	struct open_sink opened = open_command(run, settings);
	struct made_process service, stranger, command;
	uint64_t told = 0;

	(void)state;
	make_process(&service, (uint32_t)getpid());
	make_process(&stranger, 70001);
	assert_true(runs_for(&opened, event_of(PROCOBSRV_EXEC, &stranger, &stranger)));
	for (uint32_t pid = 80000; told < sink_statistics_of(&opened).written && pid < 80050;
	     told++, pid++) {
		make_process(&command, pid);
		runs_for(&opened, event_of(PROCOBSRV_START, &command, &service));
		runs_for(&opened, event_of(PROCOBSRV_EXEC, &command, &service));
		runs_for(&opened, event_of(PROCOBSRV_EXIT, &command, &service));
	}
	assert_int_equal(sink_statistics_of(&opened).written, 1);
	assert_int_equal(told, 1);
	sink_close(&opened);
}

/* The family does not grow with what has ended. */
static void test_many_members(void **state)
{
	static const char *const run[] = {"/bin/true", NULL};
	struct open_sink opened = open_command(run, no_settings);
	struct made_process service, command;

	(void)state;
	make_process(&service, (uint32_t)getpid());
	for (uint32_t pid = 100000; pid < 120000; pid++) {
		make_process(&command, pid);
		assert_false(runs_for(&opened, event_of(PROCOBSRV_START, &command, &service)));
		assert_false(runs_for(&opened, event_of(PROCOBSRV_EXIT, &command, &service)));
		assert_false(runs_for(&opened, event_of(PROCOBSRV_EXIT, &command, &service)));
	}
	sink_close(&opened);
}

/* A program that vanishes is told, and what it did not run for comes again, once. */
static void test_vanished_program(void **state)
{
	char *directory = directory_make();
	char program[512], aside[512];
	const char *const run[] = {program, NULL};
	const struct procobsrv_event *events[2] = {&sample_exec, &sample_exit};
	struct open_sink opened;

	(void)state;
	snprintf(program, sizeof program, "%s/program", directory);
	snprintf(aside, sizeof aside, "%s/aside", directory);
	assert_int_equal(symlink("/bin/true", program), 0);
	opened = open_command(run, no_settings);
	must_offer(&opened, &sample_start);
	assert_int_equal(rename(program, aside), 0);
	assert_int_equal(sink_command.write(opened.sink, events, 2), PROCOBSRV_ERROR_NOT_FOUND);
	assert_non_null(strstr(procobsrv_explain(), program));
	assert_int_equal(rename(aside, program), 0);
	assert_int_equal(sink_command.write(opened.sink, events, 2), 0);
	assert_int_equal(sink_statistics_of(&opened).written, 3);
	assert_int_equal(sink_statistics_of(&opened).failures, 1);
	sink_close(&opened);
	assert_int_equal(unlink(program), 0);
	directory_remove(directory);
}

/* An event is as large as a command line may be: more than a pipe or a variable takes. */
static void test_large_event(void **state)
{
	static char argument[3 << 20];
	static const char *const argv[] = {argument, NULL};
	static const char *const run[] = {"/bin/sh", "-c", "exit $(($(wc -c) > 3000000))", NULL};
	struct procobsrv_process process = *sample_exec.process;
	struct procobsrv_event event = sample_exec;
	struct open_sink opened = open_command(run, no_settings);

	(void)state;
	memset(argument, 'a', sizeof argument - 1);
	process.argv = argv;
	process.argc = 1;
	process.exe = argument;
	event.process = &process;
	must_offer(&opened, &event);
	tend_until_none_runs(&opened, "status 1");
	sink_close(&opened);
}

/* What runs when the service ends is waited for, and then ended. */
static void test_end(void **state)
{
	char *directory = directory_make();
	const char *const run[] = {"/bin/sh", "-c",
				   "echo $$ >\"$0/a\"; mv \"$0/a\" \"$0/pid\"; exec sleep 60",
				   directory, NULL};
	static const char *const settings[] = {"timeout=300ms", NULL};
	struct open_sink opened = open_command(run, settings);
	char *text;
	pid_t pid;

	(void)state;
	must_offer(&opened, &sample_exec);
	text = wait_for_file(directory, "pid");
	pid = (pid_t)atoi(text);
	free(text);
	assert_int_equal(kill(pid, 0), 0);
	sink_close(&opened);
	assert_int_equal(kill(pid, 0), -1);
	directory_remove(directory);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_it_is_given),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_timeout),
	    cmocka_unit_test(test_failing_command),
	    cmocka_unit_test(test_at_most),
	    cmocka_unit_test(test_clean_beginning),
	    cmocka_unit_test(test_user),
	    cmocka_unit_test(test_family),
	    cmocka_unit_test(test_no_loop),
	    cmocka_unit_test(test_many_members),
	    cmocka_unit_test(test_vanished_program),
	    cmocka_unit_test(test_large_event),
	    cmocka_unit_test(test_end),
	};

	setenv("TEST_SECRET", "1", 1);
	notice_to(take_notice);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
