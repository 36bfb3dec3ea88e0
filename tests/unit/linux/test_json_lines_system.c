/* SPDX-License-Identifier: MIT */
/* The files of JSON lines where Linux alone can show it: kills, full disks, planted files, modes.
 */
#include "json_lines_ground.h"

#include "ground.h"
#include "harness.h"

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

static void test_mode(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	struct stat status;

	(void)state;
	sink_close(&opened);
	assert_int_equal(stat(place.path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	remove_place(&place);
}

/* As logrotate does it with copytruncate. */
static void test_emptied_by_others(void **state)
{
	struct place place = make_place();
	struct open_sink opened = open_at(&place, NULL, NULL);
	char aside[600];

	(void)state;
	assert_int_equal(write_range(&opened, 1, 40, 0), 0);
	snprintf(aside, sizeof aside, "%s-1", place.path);
	assert_int_equal(rename(place.path, aside), 0);
	assert_int_equal(opened.operations->reopen(opened.sink), 0);
	assert_int_equal(write_range(&opened, 41, 49, 0), 0);
	sink_close(&opened);
	opened = open_at(&place, NULL, NULL);
	assert_int_equal(write_range(&opened, 50, 59, 0), 0);
	assert_int_equal(truncate(place.path, 0), 0);
	assert_int_equal(write_range(&opened, 60, 69, 0), 0);
	sink_close(&opened);
	expect_verified(&place, 3, "missing: seq 41 to 59");
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
	/* The last of those that were killed may have written its next 50 and not said so. */
	assert_int_equal(write_range(&opened, last > 4 ? last - 4 : 1, last + 50, 9), 0);
	sink_close(&opened);
	last += 50;
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

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mode),	 cmocka_unit_test(test_emptied_by_others),
	    cmocka_unit_test(test_torn_line),	 cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_limited_file), cmocka_unit_test(test_full_disk),
	    cmocka_unit_test(test_refused),
	};

	json_lines_consctl = argc > 1 ? argv[1] : "build/consctl/consctl";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
