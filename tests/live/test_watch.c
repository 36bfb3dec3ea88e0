/* SPDX-License-Identifier: MIT */
/* consctl watch, as a user or a script runs it. */
#include "console.h"
#include "kernel_objects.h"
#include "observe.h"
#include "stream.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_one(const char *const *argv)
{
	struct workload workload;

	workload_start(&workload, NULL, argv);
	workload_wait(&workload);
	workload_free(&workload);
}

static void expect_end(const struct console *console, int number, int code)
{
	int status = console_end(console, number);

	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == code,
	       "after signal %d consctl ended with wait status %#x, not with code %d: %s", number,
	       (unsigned)status, code, console_errors(console));
}

/* Its last line on standard error; the numbers add up, nothing was lost. */
static void expect_last_line(const struct console *console, struct stream *stream)
{
	const char *line = strstr(console_errors(console), "observed ");
	unsigned long long observed;
	unsigned long long delivered;
	unsigned long long filtered;
	unsigned long long lost;
	int end = 0;

	EXPECT(line && sscanf(line, "observed %llu delivered %llu filtered %llu lost %llu\n%n",
			      &observed, &delivered, &filtered, &lost, &end) == 4,
	       "no last line in: %s", console_errors(console));
	EXPECT(!line[end], "something follows the last line: %s", line);
	EXPECT(observed == delivered + filtered + lost && lost == 0, "it does not add up: %s",
	       line);
	if (!stream)
		return;
	EXPECT(stream->begun && stream->ended, "the output has no begin or no end");
	EXPECT_EQUAL("observed of the end line", stream->end.end.observed, observed);
	EXPECT_EQUAL("delivered of the end line", stream->end.end.delivered, delivered);
	EXPECT_EQUAL("filtered of the end line", stream->end.end.filtered, filtered);
	EXPECT_EQUAL("lost of the end line", stream->end.end.lost, lost);
}

static void validate(const char *path)
{
	char command[3 * 4096];

	snprintf(command, sizeof(command),
		 "python3 '%s/tests/live/validate.py' "
		 "'%s/docs/event.schema.json' '%s' >&2",
		 LIVE_SOURCE_ROOT, LIVE_SOURCE_ROOT, path);
	EXPECT(system(command) == 0, "%s does not hold against the schema (see above)", path);
}

/* The exec of the process that was called with `mark`; a reference. */
static json_t *find_exec(const char *path, const char *mark)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char *line = NULL;
	json_t *found = NULL;

	EXPECT(file, "%s: %s", path, strerror(errno));
	while (!found && getline(&line, &capacity, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);
		json_t *process = json_object_get(object, "process");
		json_t *argv = json_object_get(process, "argv");
		const char *kind = json_string_value(json_object_get(object, "kind"));
		const char *first = json_string_value(json_array_get(argv, 0));

		/* Ours, should the same test run twice on the machine. */
		if (kind && first && !strcmp(kind, "exec") && !strcmp(first, mark) &&
		    json_integer_value(json_object_get(process, "ppid")) == getpid())
			found = json_incref(object);
		json_decref(object);
	}
	free(line);
	fclose(file);
	EXPECT(found, "no exec of \"%s\" in %s", mark, path);
	return found;
}

static const char *argument(const json_t *exec, size_t index)
{
	const json_t *argv = json_object_get(json_object_get(exec, "process"), "argv");
	const char *text = json_string_value(json_array_get(argv, index));

	return text ? text : "(absent)";
}

static void make_odd_processes(void)
{
	live_write(live_path("plain"), "#!/bin/sh\n", 0644);
	live_write(live_path("garbage"), "\x01\x02 no program\n", 0755);
	run_one((const char *const[]){"mark-1", "exit", "0", "two\nlines\x1b[31m", "\x7f\x01", "",
				      NULL});
	run_one((const char *const[]){"mark-2", "exit", "0", "\xff\xfe", "ok", NULL});
	run_one((const char *const[]){"live_worker", "create", "all", NULL});
	run_one((const char *const[]){"live_worker", "failing", live_directory(), NULL});
	run_one((const char *const[]){"live_worker", "memfd", "0", NULL});
	run_one((const char *const[]){"live_worker", "deleted", live_path("gone"), "0", NULL});
	run_one((const char *const[]){"live_worker", "die", "9", NULL});
	run_one((const char *const[]){"live_worker", "with", "loginuid=7", "session", "tty",
				      "unshare=pid", "unshare=mnt", "fork", "proc", "--",
				      live_program("live_worker"), "facts", "6", NULL});
}

static void json_lines(void)
{
	static const char *const argv[] = {
	    "consctl", "watch", "-j", "--kinds", "existing,start,exec,exec_failed,exit,lost", NULL};
	struct stream stream = {.laws = laws_create()};
	struct console console;
	json_t *exec;

	console_start(&console, "watch", argv);
	console_wait_watching(&console);
	make_odd_processes();
	expect_end(&console, SIGTERM, 0);
	stream_read(&stream, console.output);
	expect_last_line(&console, &stream);
	EXPECT(!laws_breach(stream.laws), "%s", laws_breach(stream.laws));
	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_EXIT; kind++)
		EXPECT(stream.kinds[kind], "no line of kind %s",
		       procobsrv_kind_name((enum procobsrv_kind)kind));
	exec = find_exec(console.output, "mark-1");
	EXPECT_TEXT("argv[3]", argument(exec, 3), "two\nlines\x1b[31m");
	EXPECT_TEXT("argv[4]", argument(exec, 4), "\x7f\x01");
	EXPECT_TEXT("argv[5]", argument(exec, 5), "");
	EXPECT(!json_object_get(json_object_get(exec, "process"), "argv_base64"),
	       "argv_base64 beside arguments that are UTF-8");
	json_decref(exec);
	exec = find_exec(console.output, "mark-2");
	EXPECT_TEXT("argv[3]", argument(exec, 3), "\xef\xbf\xbd\xef\xbf\xbd");
	EXPECT_TEXT("argv[4]", argument(exec, 4), "ok");
	EXPECT_TEXT(
	    "argv_base64",
	    json_string_value(json_object_get(json_object_get(exec, "process"), "argv_base64")),
	    "bWFyay0yAGV4aXQAMAD//gBvawA=");
	json_decref(exec);
	validate(console.output);
	laws_free(stream.laws);
}

/* No byte that a terminal would take for a command. */
static void text_is_harmless(void)
{
	struct console console;
	FILE *file;
	int character;

	console_start(&console, "watch", (const char *const[]){"consctl", "watch", NULL});
	console_wait_watching(&console);
	make_odd_processes();
	expect_end(&console, SIGTERM, 0);
	file = fopen(console.output, "re");
	EXPECT(file, "%s: %s", console.output, strerror(errno));
	while ((character = fgetc(file)) != EOF)
		EXPECT(character == '\n' || (character >= 0x20 && character != 0x7f),
		       "the byte %#x in the output", (unsigned)character);
	fclose(file);
	expect_last_line(&console, NULL);
}

static void two_at_once(void)
{
	static const char *const argv[] = {"consctl", "watch", "-j", NULL};
	const char *truth = live_path("truth");
	struct console consoles[2];
	struct workload storm;
	char number[16];

	snprintf(number, sizeof(number), "%u", live_scaled(5000));
	console_start(&consoles[0], "first", argv);
	console_start(&consoles[1], "second", argv);
	console_wait_watching(&consoles[0]);
	console_wait_watching(&consoles[1]);
	workload_start(
	    &storm, live_program("storm"),
	    (const char *const[]){"storm", "-n", number, "-m", "mixed", "-t", truth, NULL});
	workload_wait(&storm);
	workload_expect_code(&storm, 0);
	expect_end(&consoles[0], SIGTERM, 0);
	/* The first one's end is not the second one's. */
	run_one((const char *const[]){"later", "exit", "0", NULL});
	expect_end(&consoles[1], SIGINT, 0);
	for (int i = 0; i < 2; i++) {
		struct stream stream = {.laws = laws_create(), .ground = ground_create()};
		const char *why;

		stream_read(&stream, consoles[i].output);
		expect_last_line(&consoles[i], &stream);
		why = laws_breach(stream.laws);
		EXPECT(!why, "%s", why);
		why = ground_compare(stream.ground, truth, (uint32_t)getpid(), NULL);
		EXPECT(!why, "%s", why);
		laws_free(stream.laws);
		ground_free(stream.ground);
	}
	json_decref(find_exec(consoles[1].output, "later"));
	workload_free(&storm);
}

/* However it ends, nothing of it stays in the kernel. */
static void nothing_remains(void)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGKILL};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct kernel_objects objects;
		struct console console;
		int status;

		console_start(&console, "watch", (const char *const[]){"consctl", "watch", NULL});
		console_wait_watching(&console);
		kernel_objects_of(console.pid, &objects);
		EXPECT(objects.program_count >= 3 && objects.map_count && objects.link_count >= 3,
		       "consctl holds %u programs, %u maps, %u links", objects.program_count,
		       objects.map_count, objects.link_count);
		/* Without --output SIGHUP is the end, as for any program. */
		status = console_end(&console, numbers[i]);
		EXPECT(WIFEXITED(status) || WTERMSIG(status) == numbers[i],
		       "consctl ended with wait status %#x", (unsigned)status);
		EXPECT(kernel_objects_gone(&objects),
		       "something stays in the kernel after signal %d", numbers[i]);
	}
}

const struct live_test watch_tests[] = {
    {"json_lines", json_lines, 0},
    {"text_is_harmless", text_is_harmless, 0},
    {"two_at_once", two_at_once, 0},
    {"nothing_remains", nothing_remains, 0},
    {NULL, NULL, 0},
};
