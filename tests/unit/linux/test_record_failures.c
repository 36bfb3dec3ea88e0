/* SPDX-License-Identifier: MIT */
/* The record where it cannot be written: each failure is told, nothing is half there, and when it
 * is over the same events are taken. */
#include "record_ground.h"

#include "harness.h"
#include "notice.h"
#include "sample_events.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_EVENTS 8000
#define BATCH	   500

static char noticed[NOTICE_SIZE];
static int notices;

static void take_notice(const char *line)
{
	snprintf(noticed, sizeof noticed, "%s", line);
	notices++;
}

static void expect_explained(const char *part)
{
	if (!strstr(procobsrv_explain(), part))
		fail_msg("no '%s' in: %s", part, procobsrv_explain());
}

static int try_to_open(const char *path, const char *setting)
{
	char assignment[600];
	const char *assignments[] = {assignment, setting, NULL};
	struct sink *sink = NULL;

	snprintf(assignment, sizeof assignment, "path=%s", path);
	struct setting_value *values = sink_values(&sink_record, assignments);
	int error = sink_record.open(values, &sink);
	if (!error)
		sink_record.close(sink);
	free(values);
	return error;
}

/* ---- files and directories ---- */

static void test_who_may_read(void **state)
{
	struct record_place place = record_place_make();
	mode_t mask = umask(0);
	struct open_sink opened = record_open(&place, NULL);
	static const char *const companions[] = {"", "-wal", "-shm"};
	char name[600];
	struct stat status;

	(void)state;
	record_write_one(&opened, &sample_exec);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", place.path, companions[i]);
		assert_int_equal(stat(name, &status), 0);
		assert_int_equal(status.st_mode & 07777, 0640);
	}
	sink_close(&opened);
	umask(mask);
	record_place_remove(&place);
}

static void test_places_that_are_refused(void **state)
{
	struct record_place place = record_place_make();
	char other[600], wrong[600];

	(void)state;
	snprintf(wrong, sizeof wrong, "%s/absent/record.sqlite", place.directory);
	assert_int_equal(try_to_open(wrong, NULL), PROCOBSRV_ERROR_NOT_FOUND);
	expect_explained("absent");

	assert_int_equal(chmod(place.directory, 0777), 0);
	assert_int_equal(try_to_open(place.path, NULL), PROCOBSRV_ERROR_ARGUMENT);
	expect_explained("everybody may write there");
	assert_int_equal(chmod(place.directory, 0700), 0);

	snprintf(other, sizeof other, "%s/other", place.directory);
	assert_int_equal(symlink(other, place.path), 0);
	assert_int_equal(try_to_open(place.path, NULL), PROCOBSRV_ERROR_ARGUMENT);
	expect_explained("is a link");
	assert_int_not_equal(access(other, F_OK), 0);
	assert_int_equal(unlink(place.path), 0);

	assert_int_equal(mkdir(place.path, 0700), 0);
	assert_int_equal(try_to_open(place.path, NULL), PROCOBSRV_ERROR_ARGUMENT);
	expect_explained("is no file");
	assert_int_equal(rmdir(place.path), 0);
	record_place_remove(&place);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *connection;

	assert_int_equal(sqlite3_open(path, &connection), 0);
	if (sqlite3_exec(connection, sql, NULL, NULL, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(connection));
	sqlite3_close(connection);
}

static size_t read_file(const char *path, char *bytes, size_t size)
{
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	size = fread(bytes, 1, size, file);
	fclose(file);
	return size;
}

/* Not one byte of a file that is not ours to change is changed. */
static void test_files_that_are_refused(void **state)
{
	struct record_place place = record_place_make();
	static char before[1 << 20], after[1 << 20];

	(void)state;
	run_sql(place.path, "CREATE TABLE theirs (x)");
	size_t size = read_file(place.path, before, sizeof before);
	assert_int_equal(try_to_open(place.path, NULL), PROCOBSRV_ERROR_ARGUMENT);
	expect_explained("another program");
	assert_int_equal(read_file(place.path, after, sizeof after), size);
	assert_memory_equal(before, after, size);
	assert_int_equal(unlink(place.path), 0);

	struct open_sink opened = record_open(&place, NULL);
	sink_close(&opened);
	run_sql(place.path, "PRAGMA user_version = 99");
	size = read_file(place.path, before, sizeof before);
	assert_int_equal(try_to_open(place.path, NULL), PROCOBSRV_ERROR_VERSION);
	expect_explained("format 99");
	assert_int_equal(read_file(place.path, after, sizeof after), size);
	assert_memory_equal(before, after, size);
	assert_int_equal(record_place_count(&place, "corrupt"), 0);
	record_place_remove(&place);
}

/* ---- damage ---- */

static void cut_to_half(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(truncate(path, status.st_size / 2 + 100), 0);
}

static void overwrite(const char *path, off_t offset, size_t size)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	char bytes[4096];

	assert_true(file >= 0);
	memset(bytes, 0xa5, sizeof bytes);
	for (; size; size -= sizeof bytes, offset += (off_t)sizeof bytes)
		assert_int_equal(pwrite(file, bytes, sizeof bytes, offset), sizeof bytes);
	close(file);
}

static void overwrite_head(const char *path)
{
	overwrite(path, 0, 4096);
}

static void overwrite_middle(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	overwrite(path, status.st_size / 8192 * 4096, (size_t)(status.st_size / 8192 * 4096));
}

static void drop_a_table(const char *path)
{
	run_sql(path, "DROP TABLE execs");
}

static void drop_the_key(const char *path)
{
	run_sql(path, "UPDATE state SET value = 1 WHERE name = 'hash-key'");
}

static const struct damage {
	const char *name;
	void (*inflict)(const char *path);
} damages[] = {
    {"cut", cut_to_half},      {"head", overwrite_head},  {"middle", overwrite_middle},
    {"a table", drop_a_table}, {"the key", drop_the_key},
};

/* Set aside with a word, kept whole, and the next one takes every event. */
static void test_damaged_when_opened(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct record_place place = record_place_make();
		struct open_sink opened = record_open(&place, NULL);
		struct day *day = record_day(DAY_EVENTS);
		struct stat before, after;

		record_write_day(&opened, day, DAY_EVENTS);
		day_free(day);
		sink_close(&opened);
		damages[i].inflict(place.path);
		assert_int_equal(stat(place.path, &before), 0);

		notices = 0;
		opened = record_open(&place, NULL);
		day = record_day(DAY_EVENTS);
		/* A missing table may show only when it is asked. */
		record_write_day(&opened, day, DAY_EVENTS);
		day_free(day);
		sink_close(&opened);
		if (notices != 1 || !strstr(noticed, "it is kept as "))
			fail_msg("%s: %d notices: %s", damages[i].name, notices, noticed);
		assert_true(record_place_count(&place, "corrupt") >= 1);
		*strchr(strstr(noticed, "kept as ") + 8, ',') = '\0';
		assert_int_equal(stat(strstr(noticed, "kept as ") + 8, &after), 0);
		assert_int_equal(after.st_ino, before.st_ino);
		record_check_whole(place.path);
		record_check_day(place.path, DAY_EVENTS, DAY_EVENTS);
		record_place_remove(&place);
	}
}

/* While it is written to: what is in the log beside it is gone too. */
static void test_damaged_while_it_is_written(void **state)
{
	static const char *const settings[] = {"cache-size=1M", NULL};
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, settings);
	struct day *day = record_day(DAY_EVENTS);
	char name[600];
	struct stat status;

	(void)state;
	notices = 0;
	record_write_day(&opened, day, DAY_EVENTS);
	snprintf(name, sizeof name, "%s-wal", place.path);
	assert_int_equal(stat(name, &status), 0);
	overwrite(name, 4096, (size_t)(status.st_size / 4096 - 1) * 4096);
	overwrite(place.path, 0, 4096);
	day_free(day);

	/* The kernel tells again what nobody had said was safe. */
	day = record_day(DAY_EVENTS);
	day_next(day, DAY_EVENTS);
	for (int batches = 0; batches < 20 && !notices; batches++)
		record_write_day(&opened, day, BATCH);
	assert_int_equal(notices, 1);
	assert_true(strstr(noticed, "it is kept as ") != NULL);
	/* That one, its -wal and its -shm. */
	assert_true(record_place_count(&place, "corrupt") >= 2);
	record_write_day(&opened, day, BATCH);
	sink_close(&opened);
	day_free(day);
	record_check_whole(place.path);
	assert_true(record_number(place.path, "SELECT count(*) FROM execs") > 100);
	record_place_remove(&place);
}

/* ---- what passes ---- */

static void test_locked_by_another(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct day *day = record_day(DAY_EVENTS);
	const struct procobsrv_event *const *events = day_next(day, BATCH);
	sqlite3 *other;

	(void)state;
	assert_int_equal(sqlite3_open(place.path, &other), 0);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
	assert_int_equal(record_write(&opened, events, BATCH), PROCOBSRV_ERROR_BUSY);
	expect_explained("another program has it locked");
	assert_int_equal(sink_statistics_of(&opened).failures, 1);
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), 0);
	assert_int_equal(record_write(&opened, events, BATCH), 0);
	/* Who only reads is in nobody's way. */
	assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM execs", NULL, NULL, NULL),
			 0);
	record_write_day(&opened, day, BATCH);
	sqlite3_close(other);
	sink_close(&opened);
	day_free(day);
	record_check_whole(place.path);
	record_check_day(place.path, DAY_EVENTS, 2 * BATCH);
	record_place_remove(&place);
}

static void test_moved_away(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	char name[600];

	(void)state;
	notices = 0;
	record_write_one(&opened, &sample_exec);
	assert_int_equal(sink_record.tend(opened.sink), 0);
	assert_int_equal(notices, 0);
	snprintf(name, sizeof name, "%s.old", place.path);
	assert_int_equal(rename(place.path, name), 0);
	assert_int_equal(sink_record.tend(opened.sink), 0);
	assert_int_equal(notices, 1);
	record_write_one(&opened, &sample_exec);
	sink_close(&opened);
	record_check_whole(place.path);
	assert_int_equal(record_number(place.path, "SELECT count(*) FROM execs"), 1);
	record_place_remove(&place);
}

/* Writes batches until one fails: how many events are safe. */
static uint64_t write_until_it_fails(const struct open_sink *opened, struct day *day,
				     const struct procobsrv_event *const **failed)
{
	for (uint64_t safe = 0;; safe += BATCH) {
		*failed = day_next(day, BATCH);
		if (record_write(opened, *failed, BATCH))
			return safe;
		assert_true(safe < 40 * BATCH);
	}
}

static void play_full_disk(const struct record_place *place)
{
	const struct procobsrv_event *const *failed;
	char ballast[600];

	snprintf(ballast, sizeof ballast, "%s/ballast", place->directory);
	int file = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(file, 0, 12 << 20), 0);
	close(file);
	struct open_sink opened = record_open(place, NULL);
	struct day *day = record_day(DAY_EVENTS * 4);
	uint64_t safe = write_until_it_fails(&opened, day, &failed);
	expect_explained("the disk is full");
	assert_true(safe > 0);
	/* Again and again, in vain; all that was safe still is. */
	assert_int_equal(record_write(&opened, failed, BATCH), PROCOBSRV_ERROR_SYSTEM);
	expect_explained("the disk is full");
	assert_int_equal(record_day_position(place->path), safe);
	assert_int_equal(unlink(ballast), 0);
	assert_int_equal(record_write(&opened, failed, BATCH), 0);
	safe += BATCH;

	assert_int_equal(mount(NULL, place->directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), -1);
	sink_close(&opened);
	assert_int_equal(mount(NULL, place->directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_true(try_to_open(place->path, NULL) < 0);
	expect_explained("Read-only file system");
	assert_int_equal(mount(NULL, place->directory, NULL, MS_REMOUNT, NULL), 0);

	opened = record_open(place, NULL);
	record_write_day(&opened, day, BATCH);
	safe += BATCH;
	sink_close(&opened);
	record_check_whole(place->path);
	record_check_day(place->path, DAY_EVENTS * 4, safe);
	assert_int_equal(record_place_count(place, "corrupt"), 0);
	day_free(day);
}

/* A disk of its own, which nobody else sees. */
static void test_full_and_read_only_disk(void **state)
{
	struct record_place place = record_place_make();
	int status;

	(void)state;
	fflush(stdout);
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("tmpfs", place.directory, "tmpfs", 0, "size=16m,mode=700"))
			_exit(77);
		play_full_disk(&place);
		fflush(stdout);
		_exit(0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	record_place_remove(&place);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_who_may_read),
	    cmocka_unit_test(test_places_that_are_refused),
	    cmocka_unit_test(test_files_that_are_refused),
	    cmocka_unit_test(test_damaged_when_opened),
	    cmocka_unit_test(test_damaged_while_it_is_written),
	    cmocka_unit_test(test_locked_by_another),
	    cmocka_unit_test(test_moved_away),
	    cmocka_unit_test(test_full_and_read_only_disk),
	};

	notice_to(take_notice);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
