/* SPDX-License-Identifier: MIT */
/* The files of JSON lines, held against what consctl verify says of them. */
#include "json_lines_ground.h"

#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_whole_file(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	struct stat status;

	(void)state;
	assert_int_equal(write_range(&opened, 1, 50, 0), 0);
	assert_int_equal(write_range(&opened, 51, 100, 7), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 119), 0);
	assert_int_equal(write_one(&opened, &sample_exec, 120), 0);
	assert_int_equal(sink_statistics_of(&opened).written, 95);
	sink_close(&opened);
	expect_verified(&place, 3, "94 events, 19 lost, 0 missing, 0 things");
	assert_int_equal(stat(place.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	remove_place(&place);
}

static void test_rotation_by_size(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-size=20K", "keep=1000");
	size_t count;

	(void)state;
	for (uint64_t seq = 1; seq < 2000; seq += 10)
		assert_int_equal(write_range(&opened, seq, seq + 9, 11), 0);
	sink_close(&opened);
	count = count_files(&place);
	assert_true(count > 20);
	expect_verified(&place, 0, "complete: 1819 events");

	/* The oldest of them go. */
	opened = open_at(&place, "rotate-size=20K", "keep=3");
	assert_int_equal(count_files(&place), 4);
	assert_true(sink_statistics_of(&opened).bytes_used > 60000);
	assert_true(sink_statistics_of(&opened).bytes_used < 90000);
	assert_true(sink_statistics_of(&opened).oldest_ns > 0);
	assert_int_equal(write_range(&opened, 2001, 2010, 11), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "0 things");
	remove_place(&place);
}

static void test_rotation_by_age(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-age=50ms", NULL);

	(void)state;
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(write_range(&opened, 1, 5, 0), 0);
	sleep_ms(60);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 2);
	/* One without lines stays. */
	sleep_ms(60);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 2);
	assert_int_equal(write_range(&opened, 6, 9, 0), 0);
	sink_close(&opened);
	/* A file's age is known after a restart. */
	sleep_ms(60);
	opened = open_at(&place, "rotate-age=50ms", NULL);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	assert_int_equal(count_files(&place), 3);
	sink_close(&opened);
	expect_verified(&place, 0, "complete: 9 events");
	remove_place(&place);
}

/* However the clock was set, names are in the order of the lines. */
static void test_clock_set_back(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "rotate-size=1", NULL);
	char future[600];

	(void)state;
	assert_int_equal(write_range(&opened, 1, 5, 0), 0);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	glob_t files = files_of(&place);
	snprintf(future, sizeof future, "%s-29991231T235959Z", place.path);
	assert_int_equal(rename(files.gl_pathv[0], future), 0);
	globfree(&files);
	assert_int_equal(write_range(&opened, 6, 9, 0), 0);
	assert_int_equal(opened.operations->tend(opened.sink), 0);
	sink_close(&opened);
	assert_int_equal(count_files(&place), 3);
	expect_verified(&place, 0, "complete: 9 events");
	remove_place(&place);
}

/* What the run before had written comes again, since it was killed before it could say so. */
static void test_repeats(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	struct made_event other;
	const struct procobsrv_event *pointer = &other.event;

	(void)state;
	assert_int_equal(write_range(&opened, 1, 30, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 49), 0);
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(write_range(&opened, 20, 30, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 49), 0);
	assert_int_equal(write_range(&opened, 50, 60, 0), 0);
	assert_int_equal(write_range(&opened, 55, 62, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 11 + 1 + 6);
	assert_int_equal(sink_statistics_of(&opened).written, 13);
	/* Another stream has numbers of its own. */
	made_event_fill(&other, &sample_exec, STREAM + 1, 1);
	assert_int_equal(opened.operations->write(opened.sink, &pointer, 1), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "44 events, 19 lost, 0 missing, 0 things");
	remove_place(&place);
}

/* Who exists when a run begins is told at a place where the stream stood then: "0x..." is no
 * number. */
static void test_existing_at_the_beginning(void **state)
{
	struct place place = make_place();
	struct procobsrv_event existing = sample_existing;
	const struct procobsrv_event *pointer = &existing;
	struct open_sink opened;

	(void)state;
	existing.seq = 0;
	existing.cursor = "abcd:0x16f3a5b2c1d4";
	for (uint64_t seq = 1; seq < 40; seq += 10) {
		opened = open_at(&place, NULL, NULL);
		assert_int_equal(opened.operations->write(opened.sink, &pointer, 1), 0);
		assert_int_equal(write_range(&opened, seq, seq + 9, 0), 0);
		assert_int_equal(sink_statistics_of(&opened).suppressed, 0);
		sink_close(&opened);
		existing.seq = seq + 9;
	}
	expect_verified(&place, 0, "complete: 40 events");
	remove_place(&place);
}

/* The last line is cut off, as a kill or a crash may leave it, at every length. */
static void test_torn_line(void **state)
{
	struct place place = make_place();
	struct stat status;
	uint64_t next = 1;

	(void)state;
	for (off_t cut = 1; cut < 300; cut += 23) {
		struct open_sink opened = open_at(&place, NULL, NULL);
		pid_t child = fork();

		if (child == 0) {
			/* The lines are written, the end line never is. */
			_exit(write_range(&opened, next, next + 9, 4));
		}
		assert_int_equal(waitpid(child, NULL, 0), child);
		close(open(place.path, O_WRONLY)); /* the lock goes with the last descriptor */
		assert_int_equal(stat(place.path, &status), 0);
		sink_close(&opened);
		assert_int_equal(truncate(place.path, status.st_size - cut), 0);
		opened = open_at(&place, NULL, NULL);
		assert_int_equal(write_range(&opened, next, next + 9, 4), 0);
		sink_close(&opened);
		next += 10;
	}
	expect_verified(&place, 0, "complete: ");
	remove_place(&place);
}

/* What the parent of a writer that is killed knows of it. */
struct progress {
	_Atomic uint64_t written; /* the last number that the sink has taken */
};

static _Noreturn void write_for_ever(const struct place *place, struct progress *progress)
{
	struct open_sink opened = open_at(place, "rotate-size=64K", "keep=10000");
	/* Some come again: the service acknowledges later than the sink takes. */
	uint64_t next = progress->written > 40 ? progress->written - 40 : 1;

	for (;;) {
		uint64_t last = next + next % 50;

		if (write_range(&opened, next, last, 9))
			_exit(1);
		progress->written = last;
		next = last + 1;
	}
}

static void test_killed(void **state)
{
	struct place place = make_place();
	struct progress *progress =
	    mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *wanted = getenv("PROCOBSRV_SINK_KILLS");
	int kills = wanted ? atoi(wanted) : 20;
	struct open_sink opened;
	char words[64];
	uint64_t last;
	int status;

	(void)state;
	assert_true(progress != MAP_FAILED);
	for (int kill_number = 0; kill_number < kills; kill_number++) {
		uint64_t before = progress->written;
		pid_t child = fork();

		if (child == 0)
			write_for_ever(&place, progress);
		while (progress->written == before && waitpid(child, &status, WNOHANG) == 0)
			sleep_ms(1);
		sleep_ms((unsigned)(kill_number * 7 % 13));
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
	}
	opened = open_at(&place, "keep=10000", NULL);
	last = progress->written;
	assert_int_equal(write_range(&opened, last > 20 ? last - 20 : 1, last + 9, 9), 0);
	sink_close(&opened);
	last += 9;
	snprintf(words, sizeof words, "complete: %llu events",
		 (unsigned long long)(last - last / 9));
	expect_verified(&place, 0, words);
	munmap(progress, sizeof *progress);
	remove_place(&place);
}

static void fill_disk(struct open_sink *opened, uint64_t *next)
{
	int error = 0;

	while (!error && *next < 100000) {
		error = write_range(opened, *next, *next + 9, 0);
		if (!error)
			*next += 10;
	}
	assert_int_equal(error, PROCOBSRV_ERROR_SYSTEM);
}

/* A write that the system breaks off in the middle of a line, and lets through later. */
static void test_limited_file(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	struct rlimit before, limit;
	uint64_t next = 1;
	char words[64];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = 30001;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	fill_disk(&opened, &next);
	assert_int_equal(write_range(&opened, next, next + 9, 0), PROCOBSRV_ERROR_SYSTEM);
	assert_true(sink_statistics_of(&opened).failures == 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(write_range(&opened, next, next + 9, 0), 0);
	sink_close(&opened);
	snprintf(words, sizeof words, "complete: %llu events", (unsigned long long)next + 9);
	expect_verified(&place, 0, words);
	remove_place(&place);
}

/* In a mount namespace of its own: a disk that is full, on which room is made. */
static int fill_small_disk(const char *directory)
{
	const char *settings[] = {NULL, "rotate-size=20K", "keep=2", NULL};
	struct place place = {.directory = (char *)(uintptr_t)directory};
	char ballast[512];
	uint64_t next = 1;
	int file;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", directory, "tmpfs", 0, "size=128k"))
		return 77;
	snprintf(place.path, sizeof place.path, "%s/events.jsonl", directory);
	snprintf(place.path_setting, sizeof place.path_setting, "path=%s", place.path);
	snprintf(ballast, sizeof ballast, "%s/ballast", directory);
	settings[0] = place.path_setting;
	file = open(ballast, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(posix_fallocate(file, 0, 98304), 0);
	struct open_sink opened = sink_open(&sink_json_lines, settings);

	fill_disk(&opened, &next);
	if (!strstr(procobsrv_explain(), "make room"))
		return 1;
	opened.operations->tend(opened.sink);
	if (!write_range(&opened, next, next + 9, 0))
		return 2;
	assert_int_equal(unlink(ballast), 0);
	close(file);
	for (int round = 0; round < 10; round++, next += 10) {
		if (write_range(&opened, next, next + 9, 0) || opened.operations->tend(opened.sink))
			return 3;
	}
	sink_close(&opened);
	expect_verified(&place, 3, "0 things");
	return 0;
}

static void test_full_disk(void **state)
{
	char *directory = directory_make();
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0)
		_exit(fill_small_disk(directory));
	assert_int_equal(waitpid(child, &status, 0), child);
	directory_remove(directory);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77 && geteuid())
		skip();
	assert_int_equal(status, 0);
}

static void expect_refused(const struct place *place, int code, const char *words)
{
	const char *assignments[] = {place->path_setting, NULL};
	struct setting_value *values = sink_values(&sink_json_lines, assignments);
	struct sink *sink = NULL;

	assert_int_equal(sink_json_lines.open(values, &sink), code);
	assert_null(sink);
	if (!strstr(procobsrv_explain(), words))
		fail_msg("no '%s' in: %s", words, procobsrv_explain());
	free(values);
}

static void put_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void test_refused(void **state)
{
	static const char *const foreign = "root:x:0:0:root:/root:/bin/sh\n";
	struct place place = make_place();
	char other[600];

	(void)state;
	snprintf(other, sizeof other, "%s/other", place.directory);
	put_file(other, foreign);
	assert_int_equal(symlink(other, place.path), 0);
	expect_refused(&place, PROCOBSRV_ERROR_SYSTEM, "symbolic link");
	assert_int_equal(unlink(place.path), 0);
	assert_int_equal(link(other, place.path), 0);
	expect_refused(&place, PROCOBSRV_ERROR_PERMISSION, "hard link");
	assert_int_equal(unlink(other), 0);
	expect_refused(&place, PROCOBSRV_ERROR_CORRUPT, "does not hold JSON lines");
	struct stat status;
	assert_int_equal(stat(place.path, &status), 0);
	assert_int_equal(status.st_size, strlen(foreign));
	assert_int_equal(chmod(place.path, 0666), 0);
	expect_refused(&place, PROCOBSRV_ERROR_PERMISSION, "others may write");
	assert_int_equal(unlink(place.path), 0);
	assert_int_equal(mkfifo(place.path, 0600), 0);
	expect_refused(&place, PROCOBSRV_ERROR_PERMISSION, "no plain file");
	assert_int_equal(unlink(place.path), 0);
	assert_int_equal(mkdir(place.path, 0700), 0);
	expect_refused(&place, PROCOBSRV_ERROR_SYSTEM, "directory");
	assert_int_equal(rmdir(place.path), 0);
	if (geteuid() == 0) {
		put_file(place.path, "");
		assert_int_equal(chown(place.path, 65534, 65534), 0);
		expect_refused(&place, PROCOBSRV_ERROR_PERMISSION, "another user");
	}
	remove_place(&place);
}

static void test_two_services(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);

	(void)state;
	expect_refused(&place, PROCOBSRV_ERROR_BUSY, "in use");
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	sink_close(&opened);
	remove_place(&place);
}

static void test_wrong_settings(void **state)
{
	static const char *const wrong[] = {"format=xml", "mode=0644x", "mode=0755",
					    "mode=0044",  "mode=-1",	"group=no-such-group"};
	struct place place = make_place();

	(void)state;
	for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
		const char *assignments[] = {place.path_setting, wrong[at], NULL};
		struct setting_value *values = sink_values(&sink_json_lines, assignments);
		struct sink *sink = NULL;

		assert_true(sink_json_lines.open(values, &sink) < 0);
		assert_null(sink);
		free(values);
	}
	remove_place(&place);
}

/* As logrotate does it: another name and a signal, another name and none, and copytruncate. */
static void test_rotated_by_others(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	char aside[600];

	(void)state;
	assert_int_equal(opened.operations->reopen(opened.sink), 0);
	for (unsigned number = 1; number <= 3; number++) {
		assert_int_equal(write_range(&opened, number * 10, number * 10 + 9, 5), 0);
		snprintf(aside, sizeof aside, "%s-%u", place.path, number);
		assert_int_equal(rename(place.path, aside), 0);
		/* What comes until then goes into the file that it was. */
		assert_int_equal(write_range(&opened, number * 10 + 10, number * 10 + 10, 0), 0);
		assert_int_equal(number == 1 ? opened.operations->tend(opened.sink)
					     : opened.operations->reopen(opened.sink),
				 0);
	}
	assert_int_equal(write_range(&opened, 41, 49, 0), 0);
	sink_close(&opened);
	expect_verified(&place, 0, "complete: 36 events");
	assert_int_equal(count_files(&place), 4);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(write_range(&opened, 50, 59, 0), 0);
	assert_int_equal(truncate(place.path, 0), 0);
	assert_int_equal(write_range(&opened, 60, 69, 0), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "missing: seq 41 to 59");
	remove_place(&place);
}

/* Documents of ECS go on where they were too, and a change of the format begins a file. */
static void test_ecs(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, "format=ecs", NULL);
	struct stat status;

	(void)state;
	assert_int_equal(write_range(&opened, 1, 20, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 39), 0);
	sink_close(&opened);
	assert_int_equal(stat(place.path, &status), 0);
	assert_int_equal(truncate(place.path, status.st_size - 5), 0);
	opened = open_at(&place, "format=ecs", NULL);
	assert_int_equal(write_range(&opened, 10, 20, 0), 0);
	assert_int_equal(write_one(&opened, &sample_lost, 39), 0);
	assert_int_equal(write_range(&opened, 40, 45, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 12);
	sink_close(&opened);
	assert_int_equal(count_files(&place), 1);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(count_files(&place), 2);
	assert_int_equal(write_range(&opened, 44, 50, 0), 0);
	assert_int_equal(sink_statistics_of(&opened).suppressed, 2);
	sink_close(&opened);
	remove_place(&place);
}

/* Events with whatever a process may choose, and those without a cursor. */
static void test_samples(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	size_t count = 0;

	(void)state;
	while (sample_events[count])
		count++;
	assert_int_equal(opened.operations->write(opened.sink, sample_events, count), 0);
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(opened.operations->write(opened.sink, sample_events, count), 0);
	assert_int_equal(sink_statistics_of(&opened).written, count);
	sink_close(&opened);
	remove_place(&place);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_file),
	    cmocka_unit_test(test_rotation_by_size),
	    cmocka_unit_test(test_rotation_by_age),
	    cmocka_unit_test(test_clock_set_back),
	    cmocka_unit_test(test_repeats),
	    cmocka_unit_test(test_existing_at_the_beginning),
	    cmocka_unit_test(test_torn_line),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_limited_file),
	    cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_two_services),
	    cmocka_unit_test(test_wrong_settings),
	    cmocka_unit_test(test_rotated_by_others),
	    cmocka_unit_test(test_ecs),
	    cmocka_unit_test(test_samples),
	};

	json_lines_consctl = argc > 1 ? argv[1] : "build/consctl/consctl";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
