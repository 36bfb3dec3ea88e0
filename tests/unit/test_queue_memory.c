/* SPDX-License-Identifier: MIT */
/*
 * The queue and its spill when memory runs out at each single allocation. Their sources are part of
 * this program, so that their allocations, and theirs alone, can be made to fail.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long allocations_left = -1; /* until one fails; negative: none does */
static long allocations_failed;

static int fails(void)
{
	if (allocations_left < 0 || allocations_left-- > 0)
		return 0;
	allocations_left = -1; /* one alone */
	allocations_failed++;
	return 1;
}

static void *test_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

static void *test_calloc(size_t count, size_t size)
{
	return fails() ? NULL : calloc(count, size);
}

static void *test_realloc(void *memory, size_t size)
{
	return fails() ? NULL : realloc(memory, size);
}

static char *test_strdup(const char *text)
{
	return fails() ? NULL : strdup(text);
}

/* Not every system's files need it. */
__attribute__((unused)) static int test_asprintf(char **text, const char *format, ...)
{
	va_list arguments;
	int length;

	if (fails())
		return -1;
	va_start(arguments, format);
	length = vasprintf(text, format, arguments);
	va_end(arguments);
	return length;
}

/* An error is negative (so its top bit is set): a static analyser has to be told. */
#include "error.h"
#define error_set(code, ...)	    (error_set((code), __VA_ARGS__) | INT_MIN)
#define error_set_errno(error, ...) (error_set_errno((error), __VA_ARGS__) | INT_MIN)

#define malloc	 test_malloc
#define calloc	 test_calloc
#define realloc	 test_realloc
#define strdup	 test_strdup
#define asprintf test_asprintf
/* NOLINTBEGIN(bugprone-suspicious-include) */
#include "file.c" /* of the folder of this system */
#include "../../lib/queue.c"
#include "../../lib/queue_append.c"
#include "../../lib/queue_take.c"
#include "../../lib/spill.c"
#include "../../lib/spill_reader.c"
#define compare compare_blocks
#include "../../lib/spill_replay.c"
#undef compare
/* NOLINTEND(bugprone-suspicious-include) */
#undef malloc
#undef calloc
#undef realloc
#undef strdup
#undef asprintf

#include "ground.h"
#include "harness.h"
#include "queue_records.h"

/* Takes all, also where memory fails meanwhile: nothing that is queued is lost by that. */
static void take_all(struct queue *queue, struct account *account)
{
	struct queue_batch batch;
	int code;

	while ((code = queue_take(queue, 0, 64, &batch)) != PROCOBSRV_ERROR_TIMEOUT) {
		if (code == 0)
			account_batch(account, &batch);
		else
			assert_int_equal(code, PROCOBSRV_ERROR_MEMORY);
	}
}

/* One failure at the given allocation, in a run that spills, drains and persists. */
static void check_queue(const char *directory, long failing, bool spill)
{
	const struct queue_options options = {
	    .spill = spill,
	    .spill_directory = directory,
	    .spill_keep = true,
	    .spill_size = 4 << 20,
	};
	struct feeder feeder = {0};
	struct account account = {0};
	uint64_t position;
	int code;

	allocations_left = failing;
	code = queue_create(&options, &feeder.queue);
	if (code) {
		assert_int_equal(code, PROCOBSRV_ERROR_MEMORY);
		assert_null(feeder.queue);
		return;
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 15; i++)
			feed(&feeder, 100);
		if (spill && round == 1)
			queue_persist(feeder.queue, &position);
		take_all(feeder.queue, &account);
	}
	account_end(&account, feeder.next);
	queue_destroy(feeder.queue);
	allocations_left = -1; /* counting is not what is tried */
	assert_int_equal(directory_count(directory), 0);
}

static void check_each_failure(bool spill)
{
	char *directory = directory_make();
	long failing = 0, before;

	do {
		before = allocations_failed;
		check_queue(directory, failing++, spill);
	} while (allocations_failed > before);
	allocations_left = -1;
	assert_true(failing > 4);
	directory_remove(directory);
}

static void test_memory_alone(void **state)
{
	(void)state;
	check_each_failure(false);
}

static void test_spill(void **state)
{
	(void)state;
	check_each_failure(true);
}

static int play_leaving(const char *directory)
{
	const struct queue_options options = {
	    .spill = true, .spill_directory = directory, .spill_keep = true, .spill_size = 1 << 20};
	struct feeder feeder = {0};

	if (queue_create(&options, &feeder.queue))
		return 1;
	for (int i = 0; i < 20; i++)
		feed(&feeder, 100);
	be_killed();
}

/* Reads what is left over; gives the first code that is neither 0 nor ENDED. */
static int read_leftovers(const char *directory, size_t *blocks)
{
	struct spill_leftover *leftovers = NULL;
	struct source_batch batch;
	size_t count = 0;
	int code = spill_leftovers(directory, &leftovers, &count);

	*blocks = 0;
	for (size_t i = 0; i < count && code == 0; i++) {
		struct spill_reader *reader;

		code = spill_reader_open(leftovers[i].path, &reader);
		if (code)
			break;
		while ((code = spill_reader_next(reader, &batch)) == 0)
			++*blocks;
		if (code == PROCOBSRV_ERROR_ENDED)
			code = 0;
		spill_reader_close(reader, false);
	}
	spill_leftovers_free(leftovers, count);
	return code;
}

/* The same through a replay. */
static int replay_leftovers(const char *directory, size_t *records)
{
	struct spill_replay *replay;
	struct source_batch batch;
	char boot[37] = "";
	int code;

	*records = 0;
	os_boot_id(boot);
	code = spill_replay_open(directory, boot, 0, 0, &replay);
	if (code)
		return code;
	while ((code = spill_replay_next(replay, &batch)) == 0)
		*records += batch.count;
	spill_replay_close(replay, false);
	return code == PROCOBSRV_ERROR_ENDED ? 0 : code;
}

static void check_each_reading(const char *directory,
			       int (*read_all)(const char *directory, size_t *count))
{
	long failing = 0, before;
	size_t all, count;

	assert_int_equal(read_all(directory, &all), 0);
	assert_true(all > 1);
	do {
		int code;

		before = allocations_failed;
		allocations_left = failing++;
		code = read_all(directory, &count);
		/* A file that could not be looked at is not listed: the next look finds it. */
		assert_true(code == PROCOBSRV_ERROR_MEMORY || code == 0);
		if (allocations_failed == before)
			assert_int_equal(count, all);
	} while (allocations_failed > before);
	allocations_left = -1;
	assert_int_equal(read_all(directory, &count), 0);
	assert_int_equal(count, all);
}

static void test_leftovers(void **state)
{
	char *directory = directory_make();
	struct spill_leftover *leftovers = NULL;
	struct os_file *file = NULL;
	size_t count = 0;
	uint32_t process;

	(void)state;
	assert_int_equal(role_run("leaving", directory, &process), ROLE_KILLED);
	check_each_reading(directory, read_leftovers);
	check_each_reading(directory, replay_leftovers);
	assert_int_equal(spill_leftovers(directory, &leftovers, &count), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(os_file_adopt(leftovers[i].path, &file), 0);
		os_file_close(file, true);
	}
	spill_leftovers_free(leftovers, count);
	directory_remove(directory);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"leaving", play_leaving}, {NULL, NULL}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_memory_alone),
	    cmocka_unit_test(test_spill),
	    cmocka_unit_test(test_leftovers),
	};

	role_play_if_asked(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
