/* SPDX-License-Identifier: MIT */
/* The queue on disk: order through the spill, bounds, disks that fail, processes that are killed.
 */
#include "procobsrv.h"
#include "queue.h"
#include "queue_records.h"
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY	   (256u * 1024)
#define MEMORY_MAX (256u * 1024)

static struct queue *make_queue(const char *directory, uint64_t spill_size)
{
	const struct queue_options options = {
	    .memory_size = MEMORY,
	    .spill = true,
	    .spill_directory = directory,
	    .spill_keep = true,
	    .spill_size = spill_size,
	};
	struct queue *queue = NULL;

	assert_int_equal(queue_create(&options, &queue), 0);
	return queue;
}

static struct queue_statistics statistics_of(struct queue *queue)
{
	struct queue_statistics statistics;

	queue_statistics(queue, &statistics);
	return statistics;
}

static void test_order_through_disk(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30), .stream = 9};
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
	assert_true(statistics.memory_peak <= MEMORY_MAX);
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
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
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
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
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
	struct feeder feeder = {.queue = make_queue(directory, spill_size)};
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
	assert_true(statistics_of(feeder.queue).memory_peak <= MEMORY_MAX);
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

/* Without a usable directory events are lost, told with the reason, and it goes on. */
static void check_directory(const char *directory, int error)
{
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
	struct account account = {0};

	for (int i = 0; i < 60; i++)
		feed(&feeder, 50);
	drain(feeder.queue, &account);
	feed(&feeder, 50);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	assert_int_equal(account.gap.stage, RECORD_GAP_SPILL);
	assert_int_equal(account.gap.detail, error);
	queue_destroy(feeder.queue);
}

static void test_unusable_directories(void **state)
{
	char *directory = directory_make();

	(void)state;
	check_directory("/nonexistent/procobsrv", ENOENT);
	check_directory("/dev/null", ENOTDIR);
	assert_int_equal(chmod(directory, 0777), 0); /* everybody may rename files there */
	check_directory(directory, EACCES);
	directory_remove(directory);
}

/* A disk that fails in the middle of a block, and works again later. */
static void test_failing_disk(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
	struct account account = {0};
	struct rlimit before, limit;
	struct stat status;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = 1000 * 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 120; i++)
		feed(&feeder, 100);
	assert_true(statistics_of(feeder.queue).lost > 0);
	assert_true(statistics_of(feeder.queue).spill_used > 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	poll(NULL, 0, SPILL_RETRY_NS / 1000000 + 1);
	for (int i = 0; i < 120; i++)
		feed(&feeder, 100);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	assert_int_equal(account.gap.detail, EFBIG);
	assert_int_equal(stat(directory, &status), 0);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

static char *first_file; /* of a directory */

static int note_file(const char *path, void *param)
{
	(void)param;
	first_file = strdup(path);
	return 1;
}

/* A block that the disk has changed is told as a gap; those around it come out. */
static void test_damaged_block(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
	struct account account = {0};
	char byte;
	int file;

	(void)state;
	for (int i = 0; i < 100; i++)
		feed(&feeder, 100);
	assert_int_equal(os_directory_visit(directory, SPILL_PREFIX, note_file, NULL), 1);
	file = open(first_file, O_RDWR);
	assert_true(file >= 0);
	free(first_file);
	assert_int_equal(pread(file, &byte, 1, 200000), 1);
	byte ^= 4;
	assert_int_equal(pwrite(file, &byte, 1, 200000), 1);
	close(file);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	assert_int_equal(account.gap.stage, RECORD_GAP_SPILL);
	assert_int_equal(account.gap.detail, EBADMSG);
	assert_int_equal(statistics_of(feeder.queue).lost, account.lost);
	assert_int_equal(statistics_of(feeder.queue).records, 0);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

/* The child of a fork gives up its copy: the parent's files stay. */
static void test_fork(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30)};
	struct account account = {0};
	int status;
	pid_t child;

	(void)state;
	for (int i = 0; i < 100; i++)
		feed(&feeder, 100);
	child = fork();
	if (child == 0) {
		queue_destroy(feeder.queue);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 0);
	queue_destroy(feeder.queue);
	directory_remove(directory);
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
	struct feeder feeder = {.queue = make_queue(directory, 1ull << 32)};
	struct account account = {0};
	struct queue_batch batch;
	pthread_t thread;
	int code;

	(void)state;
	assert_int_equal(os_thread_start(&thread, "feeder", feed_many, &feeder), 0);
	while ((code = queue_take(feeder.queue, -1, 500, &batch)) == 0) {
		account_batch(&account, &batch);
		if (account.next % 10000 < 20)
			poll(NULL, 0, 1);
	}
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	account_end(&account, MANY);
	assert_int_equal(account.gaps, 0);
	assert_true(statistics_of(feeder.queue).spill_total > 10u << 20);
	assert_true(statistics_of(feeder.queue).memory_peak <= MEMORY_MAX);
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
	struct feeder feeder = {.queue = make_queue(directory, 3 << 20)};
	struct account account = {0};
	struct queue_batch batch;
	pthread_t thread;
	int code;

	(void)state;
	assert_int_equal(os_thread_start(&thread, "feeder", feed_and_persist, &feeder), 0);
	while ((code = queue_take(feeder.queue, -1, 100, &batch)) == 0) {
		account_batch(&account, &batch);
		if (account.next % 10000 < 20)
			poll(NULL, 0, 1);
	}
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	account_end(&account, feeder.next);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	assert_true(statistics_of(feeder.queue).memory_peak <= MEMORY_MAX);
	queue_destroy(feeder.queue);
	directory_remove(directory);
}

/* What a process that is killed leaves: all that it persisted and had not given back. */
struct killed {
	uint64_t returned; /* numbers before this were taken, and the next take was called */
	uint64_t fed;
	uint64_t position;
};

static void be_killed(const char *directory, int report, int rounds, unsigned takes)
{
	struct feeder feeder = {.queue = make_queue(directory, 1 << 30), .stream = 4};
	struct killed killed = {0};
	struct queue_batch batch;
	uint64_t next = 0;

	for (int i = 0; i < rounds; i++) {
		feed(&feeder, 100);
		for (unsigned take = 0; take < takes; take++) {
			killed.returned = next;
			if (queue_take(feeder.queue, 0, 37, &batch) == 0)
				next += batch.count;
		}
		if (i % 3 == 2 && queue_persist(feeder.queue, &killed.position))
			_exit(1);
	}
	/* The taker goes on after the last persist. */
	killed.returned = next;
	if (queue_take(feeder.queue, 0, 37, &batch))
		batch.count = 0;
	killed.fed = feeder.next - 100;
	if (write(report, &killed, sizeof(killed)) != sizeof(killed))
		_exit(1);
	feed(&feeder, 100); /* these were never persisted: they may be there or not */
	kill(getpid(), SIGKILL);
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
	struct killed killed;
	int report[2], status;
	pid_t child;

	assert_int_equal(pipe(report), 0);
	child = fork();
	if (child == 0)
		be_killed(directory, report[1], rounds, takes);
	close(report[1]);
	assert_int_equal(read(report[0], &killed, sizeof(killed)), sizeof(killed));
	close(report[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
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
	    .memory_size = MEMORY,
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
	const struct queue_options options = {.memory_size = MEMORY};
	struct feeder feeder = {0};
	uint64_t position = 77;

	(void)state;
	assert_int_equal(queue_create(&options, &feeder.queue), 0);
	assert_int_equal(queue_persist(feeder.queue, &position), PROCOBSRV_ERROR_STATE);
	queue_destroy(feeder.queue);
	feeder.queue = make_queue("/nonexistent/procobsrv", 1 << 20);
	assert_int_equal(queue_persist(feeder.queue, &position), 0); /* there is nothing to keep */
	assert_int_equal(position, 0);
	position = 77;
	feed(&feeder, 1);
	assert_int_equal(queue_persist(feeder.queue, &position), PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(position, 77);
	queue_destroy(feeder.queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_through_disk),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_streams),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_unusable_directories),
	    cmocka_unit_test(test_failing_disk),
	    cmocka_unit_test(test_damaged_block),
	    cmocka_unit_test(test_fork),
	    cmocka_unit_test(test_two_threads),
	    cmocka_unit_test(test_two_threads_persisting),
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_not_kept),
	    cmocka_unit_test(test_persist_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
