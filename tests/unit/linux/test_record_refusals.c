/* SPDX-License-Identifier: MIT */
/* Files that the reader of the record refuses, and names of files that it takes. */
#include "record_ground.h"

#include "error.h"
#include "harness.h"
#include "record_reader.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void expect_refusal(const char *path, int error, const char *words)
{
	struct record_reader *other = NULL;

	assert_int_equal(record_reader_open(path, &other), error);
	assert_null(other);
	if (!strstr(procobsrv_explain(), words))
		fail_msg("'%s' lacks '%s'", procobsrv_explain(), words);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void change(const char *path, const char *sql)
{
	sqlite3 *database;

	assert_int_equal(sqlite3_open(path, &database), 0);
	assert_int_equal(sqlite3_exec(database, sql, NULL, NULL, NULL), 0);
	sqlite3_close(database);
}

static void files(void **state)
{
	struct record_place place = record_place_make();
	struct open_sink opened = record_open(&place, NULL);
	struct record_place other = record_place_make();
	char path[600];

	(void)state;
	expect_refusal(other.path, PROCOBSRV_ERROR_NOT_FOUND, "--record FILE");
	write_file(other.path, "What is this? Certainly no database, though it is long enough.\n"
			       "It goes on for more than a hundred bytes, as a header would.\n");
	expect_refusal(other.path, PROCOBSRV_ERROR_CORRUPT, "procobsrvd wrote");
	snprintf(path, sizeof(path), "%s/other", other.directory);
	change(path, "CREATE TABLE processes (id INTEGER)");
	expect_refusal(path, PROCOBSRV_ERROR_CORRUPT, "no record that procobsrvd wrote");
	change(path, "PRAGMA user_version = 2");
	expect_refusal(path, PROCOBSRV_ERROR_VERSION, "has schema 2, and this version knows 1");
	snprintf(path, sizeof(path), "%s/%%41?#&=.sqlite", other.directory);
	assert_int_equal(symlink(place.path, path), 0);
	struct record_reader *odd = NULL;
	assert_int_equal(record_reader_open(path, &odd), 0);
	record_reader_close(odd);
	record_place_remove(&other);
	sink_close(&opened);
	record_place_remove(&place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(files)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
