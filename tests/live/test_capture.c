/* SPDX-License-Identifier: MIT */
/* What consctl takes of arguments and environment, as its JSON lines have it. */
#include "console.h"
#include "names.h"
#include "observe.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The "process" of the exec whose argv[0] is `mark`; the caller gives the line back. */
static json_t *find_exec(const char *path, const char *mark, json_t **line_object)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char *line = NULL;
	json_t *process = NULL;

	EXPECT(file, "%s: %s", path, strerror(errno));
	*line_object = NULL;
	while (!process && getline(&line, &capacity, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);
		json_t *candidate = json_object_get(object, "process");
		const char *kind = json_string_value(json_object_get(object, "kind"));
		const char *first =
		    json_string_value(json_array_get(json_object_get(candidate, "argv"), 0));

		EXPECT(object, "not JSON: %.200s", line);
		/* Ours, should the same test run twice on the machine. */
		if (kind && first && !strcmp(kind, "exec") && !strcmp(first, mark) &&
		    json_integer_value(json_object_get(candidate, "ppid")) == getpid()) {
			process = candidate;
			*line_object = object;
		} else {
			json_decref(object);
		}
	}
	free(line);
	fclose(file);
	EXPECT(process, "no exec of \"%s\" in %s", mark, path);
	return process;
}

static void watch_one(const char *const *options, const char *const *argv, const char *path)
{
	const char *words[16] = {"consctl", "watch", "-j", "--output", path};
	struct workload workload;
	struct console console;
	size_t count = 5;

	while (*options)
		words[count++] = *options++;
	console_start(&console, "watch", words);
	console_wait_watching(&console);
	workload_start(&workload, NULL, argv);
	workload_wait(&workload);
	workload_expect_code(&workload, 11);
	workload_free(&workload);
	EXPECT(console_end(&console, SIGTERM) == 0, "consctl did not end well: %s",
	       console_errors(&console));
}

/* `count` arguments of so many bytes, after the three that make the worker exit with 11. */
static const char **make_arguments(size_t count, size_t length)
{
	const char **argv = must_allocate(count + 4, sizeof(*argv));

	argv[0] = "captured";
	argv[1] = "exit";
	argv[2] = "11";
	for (size_t i = 0; i < count; i++) {
		char *text = must_allocate(length + 1, 1);

		memset(text, 'a' + (int)(i % 26), length);
		argv[3 + i] = text;
	}
	return argv;
}

static void free_arguments(const char **argv)
{
	for (const char **argument = argv + 3; *argument; argument++)
		free((void *)(uintptr_t)*argument);
	free(argv);
}

static void expect_whole(size_t count, size_t length)
{
	static const char *const none[] = {NULL};
	const char **argv = make_arguments(count, length);
	const char *path = live_path("events-%zu-%zu.json", count, length);
	json_t *line, *told;

	watch_one(none, argv, path);
	told = json_object_get(find_exec(path, "captured", &line), "argv");
	EXPECT_EQUAL("argc", json_array_size(told), count + 3);
	for (size_t i = 0; i < count + 3; i++)
		EXPECT_TEXT("argument", json_string_value(json_array_get(told, i)), argv[i]);
	json_decref(line);
	free_arguments(argv);
}

/* 1.8 MiB; many that are empty; one as long as the kernel takes. */
static void whole_arguments(void)
{
	expect_whole(14, 131071);
	expect_whole(100000, 0);
	expect_whole(1, 131071);
}

static void most_arguments(void)
{
	static const char *const options[] = {"--max-args", "4K", NULL};
	const char **argv = make_arguments(1000, 99);
	const char *path = live_path("events.json");
	json_t *line, *process, *told;
	size_t bytes = 0;
	char *missing;

	watch_one(options, argv, path);
	process = find_exec(path, "captured", &line);
	told = json_object_get(process, "argv");
	for (size_t i = 0; i < json_array_size(told); i++) {
		const char *text = json_string_value(json_array_get(told, i));

		EXPECT(!strncmp(text, argv[i], strlen(text)), "argument %zu is another", i);
		bytes += strlen(text) + 1;
	}
	EXPECT(bytes > 3800 && bytes <= 4097, "%zu bytes of arguments were taken", bytes);
	missing = json_dumps(json_object_get(process, "missing"), JSON_COMPACT);
	EXPECT(missing && strstr(missing, "argv") && strstr(missing, "truncated"),
	       "it does not say that argv is truncated: %s", missing);
	free(missing);
	json_decref(line);
	free_arguments(argv);
}

/* Only what was asked for: the rest of an environment is nobody's business. */
static void environment(void)
{
	static const char *const options[] = {"--env", "LIVE_WANTED,LIVE_ABSENT", NULL};
	const char **argv = make_arguments(1, 3);
	const char *path = live_path("events.json");
	json_t *line, *process;
	char *text;

	setenv("LIVE_WANTED", "the wanted one", 1);
	setenv("LIVE_WANTED_NOT", "a secret", 1);
	watch_one(options, argv, path);
	process = find_exec(path, "captured", &line);
	text = json_dumps(json_object_get(process, "env"), JSON_COMPACT);
	EXPECT(text && strstr(text, "the wanted one"), "the variable is not told: %s", text);
	free(text);
	text = json_dumps(line, JSON_COMPACT);
	EXPECT(!strstr(text, "a secret") && !strstr(text, "LIVE_ABSENT"), "more is told: %s", text);
	free(text);
	json_decref(line);
	free_arguments(argv);
}

const struct live_test capture_tests[] = {
    {"json_whole_arguments", whole_arguments, 0},
    {"json_most_arguments", most_arguments, 0},
    {"json_environment", environment, 0},
    {NULL, NULL, 0},
};
