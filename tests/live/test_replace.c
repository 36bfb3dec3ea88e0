/* SPDX-License-Identifier: MIT */
/*
 * The resident observer is replaced by another one within its ring: for a moment both tell what
 * happens, and whoever reads is told each event once.
 */
#include "console.h"
#include "observe.h"
#include "readers.h"
#include "resident.h"
#include "storms.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void replace_observer(void)
{
	const char *errors;
	int status = CONSCTL(NULL, &errors, "install", "--replace");

	EXPECT(status == 0, "install --replace ended with status %d: %s", status, errors);
}

/* Readers are killed at any moment around those at which the observer is replaced: what both
 * observers told counts for nobody, and the numbers of all readers have no hole. */
static void replaced_and_killed(void)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "--resume", "-j", "--output", path, NULL};
	struct storms storms = {.processes = live_scaled(20000)};
	struct console reader;

	srandom((unsigned)getpid());
	resident_begin(NULL);
	storms_begin(&storms);
	console_start(&reader, "reader", argv);
	for (unsigned i = 0; i < readers_kills(); i++) {
		live_sleep_ms((unsigned)random() % 200);
		storms_keep_up(&storms);
		replace_observer();
		readers_kill(&reader, (unsigned)random() % 20);
		storms_keep_up(&storms);
		if (i % 3 == 2)
			replace_observer(); /* while nobody reads */
		json_decref(resident_ask());
		console_restart(&reader, argv);
	}
	/* The moment at which both tell is short. */
	while (storms.count < STORMS_MAX && !resident_number("repeats")) {
		storms_keep_up(&storms);
		replace_observer();
	}
	console_end(&reader, SIGKILL);
	storms_wait(&storms);
	readers_finish(&reader, argv);
	printf("# %" PRIu64 " repeats\n", resident_number("repeats"));
	EXPECT(resident_number("repeats"), "nothing was told twice: no test of it");
	storms_compare_file(&storms, path);
	readers_expect_verified(path);
	resident_finish();
}

/* The observer is replaced while it is read, and while nobody reads it. */
static void replaced(void)
{
	const char *path = live_path("events.json");
	const char *const argv[] = {"consctl", "watch", "--resume", "-j", "--output", path, NULL};
	struct storms storms = {.processes = live_scaled(20000)};
	struct console reader;

	resident_begin(NULL);
	storms_begin(&storms);
	console_start(&reader, "reader", argv);
	console_wait_watching(&reader);
	for (int turn = 0; turn < 6; turn++) {
		if (turn == 3)
			readers_kill(&reader, 0);
		live_sleep_ms(100);
		storms_keep_up(&storms);
		replace_observer();
		storms_keep_up(&storms);
	}
	storms_wait(&storms);
	readers_finish(&reader, argv);
	storms_compare_file(&storms, path);
	json_decref(resident_ask());
	readers_expect_verified(path);
	resident_finish();
}

/* Execs that fail, all of them alike. */
struct attempts {
	pid_t pid;
	struct attempts_shared {
		_Atomic bool stop;
		_Atomic uint64_t count;
	} * shared;
};

static void attempt_until_stopped(struct attempts_shared *shared)
{
	char name[] = "nothing", *const argv[] = {name, NULL};

	while (!shared->stop) {
		for (int burst = 0; burst < 20; burst++, shared->count++)
			execve("/nonexistent-procobsrv/nothing", argv, environ);
		usleep(2000);
	}
	_exit(0);
}

static void begin_attempts(struct attempts *attempts)
{
	attempts->shared = mmap(NULL, sizeof(*attempts->shared), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(attempts->shared != MAP_FAILED, "mmap: %s", strerror(errno));
	attempts->pid = fork();
	EXPECT(attempts->pid >= 0, "fork: %s", strerror(errno));
	if (!attempts->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		attempt_until_stopped(attempts->shared);
	}
}

static uint64_t end_attempts(struct attempts *attempts)
{
	uint64_t count;

	attempts->shared->stop = true;
	EXPECT(waitpid(attempts->pid, NULL, 0) == attempts->pid, "waitpid: %s", strerror(errno));
	count = attempts->shared->count;
	munmap(attempts->shared, sizeof(*attempts->shared));
	return count;
}

static uint64_t count_attempts(const char *path, pid_t pid)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	char *line = NULL;
	uint64_t count = 0;

	EXPECT(file, "%s: %s", path, strerror(errno));
	while (getline(&line, &capacity, file) > 0) {
		json_t *object = json_loads(line, 0, NULL);
		const char *kind = json_string_value(json_object_get(object, "kind"));
		const json_t *process = json_object_get(object, "process");

		if (kind && !strcmp(kind, "exec_failed") &&
		    json_integer_value(json_object_get(process, "pid")) == pid)
			count++;
		json_decref(object);
	}
	free(line);
	fclose(file);
	return count;
}

/* Failed execs have nothing by which two could be told apart, and each is told once even so. */
static void replaced_failures(void)
{
	const char *path = live_path("events.json");
	const char *kinds = "start,exec,exec_failed,exit,lost";
	const char *const argv[] = {"consctl", "watch",	   "--resume", "-j", "--kinds",
				    kinds,     "--output", path,       NULL};
	struct attempts attempts;
	struct console reader;
	uint64_t count;

	resident_begin((const char *const[]){"--kinds", kinds, NULL});
	console_start(&reader, "reader", argv);
	console_wait_watching(&reader);
	begin_attempts(&attempts);
	/* The moment at which both tell is short. */
	for (int turn = 0; turn < 8 || (turn < 100 && !resident_number("repeats")); turn++) {
		const char *errors;
		int status = CONSCTL(NULL, &errors, "install", "--replace", "--kinds", kinds);

		EXPECT(status == 0, "install --replace ended with status %d: %s", status, errors);
		live_sleep_ms(30);
	}
	count = end_attempts(&attempts);
	readers_wait();
	EXPECT(console_end(&reader, SIGTERM) == 0, "the reader did not end well: %s",
	       console_errors(&reader));
	printf("# %" PRIu64 " failed execs, %" PRIu64 " repeats\n", count,
	       resident_number("repeats"));
	EXPECT(resident_number("repeats"), "nothing was told twice: no test of it");
	EXPECT_EQUAL("failed execs", count_attempts(path, attempts.pid), count);
	readers_expect_verified(path);
	resident_finish();
}

const struct live_test replace_tests[] = {
    {"replaced_observer", replaced, 300},
    {"replaced_and_killed", replaced_and_killed, 600},
    {"replaced_failures", replaced_failures, 300},
    {NULL, NULL, 0},
};
