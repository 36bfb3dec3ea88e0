/* SPDX-License-Identifier: MIT */
/* The queue on disk where only Linux lets a test play tricks: limits, forks, files of others. */
#include "ground.h"
#include "harness.h"
#include "queue.h"
#include "queue_records.h"
#include "spill.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where everybody may rename files, none is safe: events are lost, and told with the reason. */
static void test_unsafe_directory(void **state)
{
	char *directory = directory_make();

	(void)state;
	assert_int_equal(chmod(directory, 0777), 0);
	check_unusable_directory(directory, EACCES);
	directory_remove(directory);
}

/* A disk that fails in the middle of a block, and works again later. */
static void test_failing_disk(void **state)
{
	char *directory = directory_make();
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
	struct account account = {0};
	struct rlimit before, limit;
	struct stat status;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = before;
	limit.rlim_cur = 1000 * 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 120; i++) {
		feed(&feeder, 100);
		if (!statistics_of(feeder.queue).lost)
			continue;
		/* It is tried again after a while, and then no smaller block may fit either. */
		limit.rlim_cur = 1;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	}
	assert_true(statistics_of(feeder.queue).lost > 0);
	assert_true(statistics_of(feeder.queue).spill_used > 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	sleep_ms(SPILL_RETRY_NS / 1000000 + 1);
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
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
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
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unsafe_directory),
	    cmocka_unit_test(test_failing_disk),
	    cmocka_unit_test(test_damaged_block),
	    cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
