/* SPDX-License-Identifier: MIT */
/* The queue on disk: order through the spill, bounds, disks that fail, processes that are killed.
 */
#include "ground.h"
#include "harness.h"
#include "procobsrv.h"
#include "queue.h"
#include "queue_records.h"
#include "spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_order_through_disk(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30), .stream = 9};
	struct account account = {0};
	struct queue_statistics statistics;
	struct queue_batch batch;

	(void)state;
	for (int i = 0; i < 400; i++) {
		feed(&feeder, 100);
		if (i % 3 == 0 && queue_take(feeder.queue, 0, 70, &batch) == 0)
			account_batch(&account, &batch);
	}
	statistics = statistics_of(feeder.queue);
	assert_true(statistics.spill_used > 4u << 20);
	assert_int_equal(statistics.records + account.records, feeder.next);
	assert_true(directory_count(directory) > 0);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 0);
	/* Empty: nothing on disk, and memory serves alone again. */
	statistics = statistics_of(feeder.queue);
	assert_int_equal(statistics.spill_used, 0);
	assert_int_equal(directory_count(directory), 0);
	assert_true(statistics.memory_peak <= QUEUE_MEMORY);
	feed(&feeder, 100);
	drain(feeder.queue, &account);
	assert_int_equal(statistics_of(feeder.queue).spill_total, statistics.spill_total);
	account_end(&account, feeder.next);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

static void test_files(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
	struct spill_leftover *leftovers = NULL;
	size_t count = 1;

	(void)state;
	for (int i = 0; i < 300; i++)
		feed(&feeder, 100);
	assert_true(directory_count(directory) > 0);
	/* They are ours, not left over. */
	assert_int_equal(spill_leftovers(directory, &leftovers, &count), 0);
	assert_int_equal(count, 0);
	spill_leftovers_free(leftovers, count);
	queue_destroy(feeder.queue); /* with all that is in it */
	directory_remove(directory);
}

/* Streams change while all goes to disk; a file of each keeps its own. */
static void test_streams(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
	struct account account = {0};
	struct queue_batch batch;
	uint64_t stream = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		feeder.stream = (uint64_t)i / 7;
		feed(&feeder, 50);
	}
	while (queue_take(feeder.queue, 0, 1000, &batch) == 0) {
		assert_true(batch.stream == stream || batch.stream == stream + 1);
		stream = batch.stream;
		for (size_t i = 0; i < batch.count; i++) {
			const struct record_header *header = batch.records[i].data;

			assert_int_equal(header->number / 350, stream);
		}
		account_batch(&account, &batch);
	}
	account_end(&account, feeder.next);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

/* The bound on disk is kept, and what it does not hold is told. */
static void check_bound(uint64_t spill_size)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, spill_size)};
	struct account account = {0};
	struct queue_batch batch;

	for (int i = 0; i < 600; i++) {
		feed(&feeder, 60);
		assert_true(statistics_of(feeder.queue).spill_used <= spill_size);
		for (int takes = i / 200; takes > 0; takes--)
			if (queue_take(feeder.queue, 0, 35, &batch) == 0)
				account_batch(&account, &batch);
		if (i % 200 == 199)
			drain(feeder.queue, &account);
	}
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_true(account.gaps > 0);
	assert_int_equal(account.gap.stage, RECORD_GAP_SPILL);
	assert_int_equal(account.gap.detail, ENOSPC);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	assert_true(statistics_of(feeder.queue).memory_peak <= QUEUE_MEMORY);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

static void test_bounds(void **state)
{
	(void)state;
	check_bound(0);
	check_bound(1000);
	check_bound(80 * 1024); /* one block */
	check_bound(500 * 1024);
	check_bound(1 << 20);
}

/* Files of several blocks: the bound may be reached within one. */
static void test_bound_within_a_file(void **state)
{
	const uint64_t spill_size = 64 * 250 * 1024;
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, spill_size)};

	(void)state;
	while (!statistics_of(feeder.queue).lost) {
		feed(&feeder, 200);
		assert_true(statistics_of(feeder.queue).spill_used <= spill_size);
	}
	assert_true(directory_count(directory) > 32);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

static void test_unusable_directories(void **state)
{
	(void)state;
	check_unusable_directory(ground_missing_directory, ENOENT);
	check_unusable_directory(ground_no_directory, ENOTDIR);
}

#define MANY 2000000

static void *feed_many(void *param)
{
	struct feeder *feeder = param;

	while (feeder->next < MANY) {
		size_t left = MANY - feeder->next, count = feeder->next % 150 + 1;

		feed(feeder, left < count ? left : count);
		if (feeder->next % 1000 < 3)
			sched_yield(); /* on one processor the taker has a say too */
	}
	queue_end(feeder->queue);
	return NULL;
}

/* At full speed, with a taker that sleeps now and then: all comes, in order, within the bound. */
static void test_two_threads(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1ull << 32)};
	struct account account = {0};
	struct queue_batch batch;
	pthread_t thread;
	int code;

	(void)state;
	assert_int_equal(os_thread_start(&thread, "feeder", feed_many, &feeder), 0);
	/* However the processors are shared: the disk has its part in it. */
	for (int waited = 0; statistics_of(feeder.queue).spill_total <= 10u << 20 && waited < 20000;
	     waited++)
		sleep_ms(1);
	while ((code = queue_take(feeder.queue, -1, 500, &batch)) == 0) {
		account_batch(&account, &batch);
		if (account.next % 10000 < 20)
			sleep_ms(1);
	}
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	account_end(&account, MANY);
	assert_int_equal(account.gaps, 0);
	assert_true(statistics_of(feeder.queue).spill_total > 10u << 20);
	assert_true(statistics_of(feeder.queue).memory_peak <= QUEUE_MEMORY);
	assert_int_equal(statistics_of(feeder.queue).spill_used, 0);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

/* The same with persists from the listener and a bound on disk that is met. */
static void *feed_and_persist(void *param)
{
	struct feeder *feeder = param;

	while (feeder->next < MANY / 20) {
		uint64_t position = 0;

		feed(feeder, feeder->next % 150 + 1);
		if (feeder->next % 16 == 0 && queue_persist(feeder->queue, &position) == 0)
			assert_int_equal(position, feeder->position);
	}
	queue_end(feeder->queue);
	return NULL;
}

static void test_two_threads_persisting(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 3 << 20)};
	struct account account = {0};
	struct queue_batch batch;
	pthread_t thread;
	int code;

	(void)state;
	assert_int_equal(os_thread_start(&thread, "feeder", feed_and_persist, &feeder), 0);
	while ((code = queue_take(feeder.queue, -1, 100, &batch)) == 0) {
		account_batch(&account, &batch);
		if (account.next % 10000 < 20)
			sleep_ms(1);
	}
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	account_end(&account, feeder.next);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	assert_true(statistics_of(feeder.queue).memory_peak <= QUEUE_MEMORY);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

/* What a process that is killed leaves: all that it persisted and had not given back. */
struct killed {
	uint64_t returned; /* numbers before this were taken, and the next take was called */
	uint64_t fed;
	uint64_t position;
};

#define REPORT "report"

static FILE *open_report(const char *directory, const char *mode)
{
	char path[600];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" REPORT, directory);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

static void feed_until_killed(const char *directory, int rounds, unsigned takes)
{
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30), .stream = 4};
	struct killed killed = {0};
	struct queue_batch batch;
	uint64_t next = 0;
	FILE *report;

	for (int i = 0; i < rounds; i++) {
		feed(&feeder, 100);
		for (unsigned take = 0; take < takes; take++) {
			killed.returned = next;
			if (queue_take(feeder.queue, 0, 37, &batch) == 0)
				next += batch.count;
		}
		if (i % 3 == 2 && queue_persist(feeder.queue, &killed.position))
			exit(1);
	}
	/* The taker goes on after the last persist. */
	killed.returned = next;
	if (queue_take(feeder.queue, 0, 37, &batch))
		batch.count = 0;
	killed.fed = feeder.next - 100;
	report = open_report(directory, "wb");
	if (fwrite(&killed, sizeof(killed), 1, report) != 1 || fclose(report))
		exit(1);
	feed(&feeder, 100); /* these were never persisted: they may be there or not */
	be_killed();
}

static int play_killed(const char *argument)
{
	unsigned takes;
	int rounds, path;

	if (sscanf(argument, "%d %u %n", &rounds, &takes, &path) == 2)
		feed_until_killed(argument + path, rounds, takes);
	return 1;
}

/* Reads all left-overs, marks which numbers they hold. */
static void read_leftovers(const char *directory, char *seen, size_t most)
{
	static _Alignas(8) char expected[RECORD_SIZE_MAX];
	struct spill_leftover *leftovers;
	size_t count;

	assert_int_equal(spill_leftovers(directory, &leftovers, &count), 0);
	assert_int_equal(count, directory_count(directory));
	for (size_t i = 0; i < count; i++) {
		struct spill_reader *reader;
		struct source_batch batch;
		int code;

		assert_int_equal(spill_reader_open(leftovers[i].path, &reader), 0);
		while ((code = spill_reader_next(reader, &batch)) == 0) {
			assert_int_equal(batch.stream, 4);
			for (size_t n = 0; n < batch.count; n++) {
				const struct record_header *header = batch.records[n].data;

				assert_true(header->number < most);
				number_record(header->number, expected);
				assert_int_equal(batch.records[n].size, header->size);
				assert_memory_equal(header, expected, header->size);
				seen[header->number] = 1;
			}
		}
		assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
		assert_false(spill_reader_cut_short(reader));
		spill_reader_close(reader, true);
	}
	spill_leftovers_free(leftovers, count);
}

/* In order and once, from the first that was not given back to the last that was persisted. */
static void replay_leftovers(const char *directory, const struct killed *killed)
{
	struct account account = {.next = killed->returned, .records = killed->returned};
	struct spill_replay *replay;
	struct source_batch batch;
	char boot[37] = "";
	int code;

	os_boot_id(boot);
	for (uint64_t number = 0; number < killed->returned; number++)
		account.position += number_size(number);
	assert_int_equal(spill_replay_open(directory, boot, 5, 0, &replay), 0);
	assert_int_equal(spill_replay_next(replay, &batch), PROCOBSRV_ERROR_ENDED);
	spill_replay_close(replay, true); /* another stream's: nothing to remove */
	assert_int_equal(spill_replay_open(directory, "another boot", 4, 0, &replay), 0);
	assert_int_equal(spill_replay_next(replay, &batch), PROCOBSRV_ERROR_ENDED);
	spill_replay_close(replay, true);

	assert_int_equal(spill_replay_open(directory, boot, 4, account.position, &replay), 0);
	while ((code = spill_replay_next(replay, &batch)) == 0) {
		assert_true(batch.count > 0);
		for (size_t i = 0; i < batch.count; i++)
			account_record(&account, &batch.records[i]);
		assert_int_equal(batch.resume, account.position);
	}
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	assert_null(spill_replay_damage(replay));
	assert_true(account.next >= killed->fed);
	account_end(&account, account.next);
	spill_replay_close(replay, false);
	spill_replay_close(NULL, true);
}

static void check_killed(int rounds, unsigned takes)
{
	char *directory = directory_make();
	size_t most = (size_t)rounds * 100 + 100;
	char *seen = calloc(1, most);
	char argument[600];
	struct killed killed;
	uint32_t process;
	FILE *report;

	snprintf(argument, sizeof(argument), "%d %u %s", rounds, takes, directory);
	assert_int_equal(role_run("killed", argument, &process), ROLE_KILLED);
	report = open_report(directory, "rb");
	assert_int_equal(fread(&killed, sizeof(killed), 1, report), 1);
	fclose(report);
	snprintf(argument, sizeof(argument), "%s/" REPORT, directory);
	file_remove(argument);
	replay_leftovers(directory, &killed);
	read_leftovers(directory, seen, most);
	for (uint64_t number = killed.returned; number < killed.fed; number++)
		assert_int_equal(seen[number], 1);
	free(seen);
	directory_remove(directory);
}

static void test_killed(void **state)
{
	(void)state;
	for (unsigned takes = 0; takes <= 4; takes++) {
		check_killed(3, takes);
		check_killed(9, takes);
		check_killed(60, takes);
	}
}

/* A private observer's files have no names: nothing is left of them, come what may. */
static void test_not_kept(void **state)
{
	char *directory = directory_make();
	const struct queue_options options = {
	    .memory_size = QUEUE_MEMORY,
	    .spill = true,
	    .spill_directory = directory,
	    .spill_size = 1 << 30,
	};
	struct feeder feeder = {0};
	struct account account = {0};

	(void)state;
	assert_int_equal(queue_create(&options, &feeder.queue), 0);
	for (int i = 0; i < 100; i++)
		feed(&feeder, 100);
	assert_true(statistics_of(feeder.queue).spill_used > 1 << 20);
	assert_int_equal(directory_count(directory), 0);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 0);
	assert_int_equal(statistics_of(feeder.queue).spill_used, 0);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

static void test_persist_errors(void **state)
{
	const struct queue_options options = {.memory_size = QUEUE_MEMORY};
	struct feeder feeder = {0};
	uint64_t position = 77;

	(void)state;
	assert_int_equal(queue_create(&options, &feeder.queue), 0);
	assert_int_equal(queue_persist(feeder.queue, &position), PROCOBSRV_ERROR_STATE);
	queue_destroy(feeder.queue);
	feeder.queue = make_spilling_queue(ground_missing_directory, 1 << 20);
	assert_int_equal(queue_persist(feeder.queue, &position), 0); /* there is nothing to keep */
	assert_int_equal(position, 0);
	position = 77;
	feed(&feeder, 1);
	assert_int_equal(queue_persist(feeder.queue, &position), PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(position, 77);
	queue_destroy(feeder.queue);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"killed", play_killed}, {NULL, NULL}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_through_disk),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_streams),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_bound_within_a_file),
	    cmocka_unit_test(test_unusable_directories),
	    cmocka_unit_test(test_two_threads),
	    cmocka_unit_test(test_two_threads_persisting),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_not_kept),
	    cmocka_unit_test(test_persist_errors),
	};

	role_play_if_asked(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
