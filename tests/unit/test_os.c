/* SPDX-License-Identifier: MIT */
/* What the portable half asks of every system. What only one has is in the folder of that one. */
#include "ground.h"
#include "harness.h"
#include "os.h"
#include "procobsrv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void test_clocks(void **state)
{
	uint64_t boot = os_boot_ns(), monotonic = os_monotonic_ns();
	int64_t before = time(NULL);
	int64_t wall = os_wall_ns();
	int64_t after = time(NULL);

	(void)state;
	/* That of seconds may be behind the other by a tick. */
	assert_true(wall / 1000000000 >= before - 1);
	assert_true(wall / 1000000000 <= after + 1);
	sleep_ms(30);
	assert_true(os_monotonic_ns() - monotonic >= 25000000);
	assert_true(os_monotonic_ns() - monotonic < 10000000000u);
	assert_true(os_boot_ns() > boot);
}

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t condition;
	bool done;
};

static void *signal_soon(void *param)
{
	struct shared *shared = param;

	sleep_ms(10);
	pthread_mutex_lock(&shared->lock);
	shared->done = true;
	pthread_cond_signal(&shared->condition);
	pthread_mutex_unlock(&shared->lock);
	return param;
}

static void test_waits(void **state)
{
	struct shared shared = {.lock = PTHREAD_MUTEX_INITIALIZER};
	uint64_t begin = os_monotonic_ns();
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(os_condition_init(&shared.condition), 0);
	pthread_mutex_lock(&shared.lock);
	while (os_condition_wait(&shared.condition, &shared.lock, 30000000))
		;
	assert_true(os_monotonic_ns() - begin >= 25000000);
	assert_false(os_condition_wait(&shared.condition, &shared.lock, 0));
	assert_int_equal(os_thread_start(&thread, "signaller", signal_soon, &shared), 0);
	while (!shared.done)
		assert_true(os_condition_wait(&shared.condition, &shared.lock, UINT64_MAX));
	pthread_mutex_unlock(&shared.lock);
	pthread_join(thread, &result);
	assert_ptr_equal(result, &shared);
	pthread_cond_destroy(&shared.condition);
}

static void test_event(void **state)
{
	struct os_event *event = os_event_create();

	(void)state;
	assert_non_null(event);
	assert_false(is_set(event));
	os_event_clear(event);
	os_event_set(event);
	os_event_set(event);
	assert_true(is_set(event));
	assert_true(is_set(event)); /* level-triggered */
	os_event_clear(event);
	assert_false(is_set(event));
	os_event_destroy(event);
	os_event_destroy(NULL);
}

static void test_files(void **state)
{
	char *directory = directory_make(), path[600], text[16];
	struct os_file *file, *second;
	uint64_t size;

	(void)state;
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	snprintf(path, sizeof(path), "%s", os_file_path(file));
	assert_non_null(strstr(path, "test-"));
	assert_int_equal(os_file_write(file, 3, "hello", 5), 0);
	assert_int_equal(os_file_size(file, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(os_file_read(file, 3, text, 5), 0);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(os_file_read(file, 4, text, 5), ENODATA);
	assert_int_equal(os_file_truncate(file, 4), 0);
	assert_int_equal(os_file_read(file, 3, text, 2), ENODATA);
	/* An offset beyond 4 GiB is none of 32 bits. */
	assert_int_equal(os_file_read(file, (1ull << 32) + 3, text, 1), ENODATA);

	/* Its maker lives. */
	assert_int_equal(os_file_adopt(path, &second), PROCOBSRV_ERROR_BUSY);
	assert_non_null(strstr(procobsrv_explain(), "used by a process"));
	assert_int_equal(os_file_open(path, &second), 0);
	assert_int_equal(os_file_read(second, 3, text, 1), 0);
	assert_int_not_equal(os_file_write(second, 0, text, 1), 0);
	os_file_close(second, false);

	/* Closed and kept, it can be taken over, once. */
	os_file_close(file, false);
	assert_int_equal(os_file_adopt(path, &file), 0);
	assert_int_equal(os_file_adopt(path, &second), PROCOBSRV_ERROR_BUSY);
	assert_string_equal(os_file_path(file), path);
	os_file_close(file, true);
	assert_int_equal(os_file_adopt(path, &file), PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(os_file_open(path, &file), PROCOBSRV_ERROR_NOT_FOUND);
	os_file_close(NULL, true);
	directory_remove(directory);
}

/* Files that others are let into, and what is no plain file: not touched. */
static void test_not_private(void **state)
{
	char *directory = directory_make(), path[600];
	struct os_file *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/planted", directory);
	file_write_private(path, "x", 1);
	assert_int_equal(os_file_adopt(path, &file), 0);
	os_file_close(file, false);
	file_make_public(path);
	assert_int_equal(os_file_adopt(path, &file), PROCOBSRV_ERROR_PERMISSION);
	assert_int_equal(errno, EPERM);
	file_remove(path);
	for (unsigned way = 0; file_plant(path, directory, way); way++) {
		assert_true(os_file_adopt(path, &file) < 0);
		file_remove(path);
	}
	directory_remove(directory);
}

/* A file without a name goes on, and is gone when it is closed. */
static void test_unname(void **state)
{
	char *directory = directory_make(), path[600], text[8];
	struct os_file *file, *second;

	(void)state;
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	snprintf(path, sizeof(path), "%s", os_file_path(file));
	os_file_unname(file);
	assert_int_equal(os_file_write(file, 0, "hello", 5), 0);
	assert_int_equal(os_file_read(file, 0, text, 5), 0);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(os_file_open(path, &second), PROCOBSRV_ERROR_NOT_FOUND);
	os_file_close(file, false);
	directory_remove(directory);
}

/* The path is not changed by the program's changing its directory. */
static void test_relative_directory(void **state)
{
	char *directory = directory_make(), here[1024];
	struct os_file *file;

	(void)state;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(os_file_create_private(".", "test-", &file), 0);
	assert_int_equal(chdir(here), 0);
	os_file_close(file, true);
	directory_remove(directory);
}

static void test_directories(void **state)
{
	struct os_file *file = NULL;

	(void)state;
	assert_int_equal(os_file_create_private(ground_missing_directory, "test-", &file),
			 PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(procobsrv_explain(), ground_missing_directory));
	assert_true(os_file_create_private(ground_no_directory, "test-", &file) < 0);
	assert_int_equal(errno, ENOTDIR);
	assert_null(file);
}

static int stop_at_second(const char *path, void *param)
{
	(void)path;
	return ++*(int *)param == 2 ? 42 : 0;
}

static void test_directory_visit(void **state)
{
	char *directory = directory_make();
	struct os_file *files[4];
	int count = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    os_file_create_private(directory, i < 3 ? "wanted-" : "WANTED-", &files[i]), 0);
	assert_int_equal(os_directory_visit(directory, "wanted-", stop_at_second, &count), 42);
	count = 2;
	assert_int_equal(os_directory_visit(directory, "wanted-", stop_at_second, &count), 0);
	assert_int_equal(count, 5);
	assert_int_equal(os_directory_visit(ground_missing_directory, "", stop_at_second, &count),
			 PROCOBSRV_ERROR_NOT_FOUND);
	for (int i = 0; i < 4; i++)
		os_file_close(files[i], true);
	directory_remove(directory);
}

static int play_holder(const char *directory)
{
	struct os_file *file;

	if (os_file_create_private(directory, "test-", &file))
		return 1;
	be_killed();
}

static int adopt(const char *path, void *param)
{
	struct os_file *file;

	assert_int_equal(os_file_adopt(path, &file), 0);
	os_file_close(file, true);
	++*(int *)param;
	return 0;
}

static void test_killed_holder(void **state)
{
	char *directory = directory_make();
	uint32_t process;
	int count = 0;

	(void)state;
	assert_int_equal(role_run("holder", directory, &process), ROLE_KILLED);
	assert_int_equal(os_directory_visit(directory, "test-", adopt, &count), 0);
	assert_int_equal(count, 1);
	directory_remove(directory);
}

static void test_system(void **state)
{
	char boot[37], again[37], host[256], small[3];

	(void)state;
	assert_true(os_boot_id(boot));
	assert_int_equal(strlen(boot), 36);
	assert_int_equal(boot[8], '-');
	assert_true(os_boot_id(again));
	assert_string_equal(boot, again);
	os_host_name(host, sizeof(host));
	assert_true(strlen(host) > 0);
	os_host_name(small, sizeof(small));
	assert_true(strlen(small) <= 2);
	os_host_name(NULL, 0);
	assert_true(os_memory_bytes() >= 16u << 20);
	assert_int_equal(os_process_id(), getpid());
	assert_null(os_error_name(0));
	assert_null(os_error_name(99999));
	assert_true(strlen(os_error_text(ENODATA)) > 0);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"holder", play_holder}, {NULL, NULL}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),
	    cmocka_unit_test(test_waits),
	    cmocka_unit_test(test_event),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_not_private),
	    cmocka_unit_test(test_unname),
	    cmocka_unit_test(test_relative_directory),
	    cmocka_unit_test(test_directories),
	    cmocka_unit_test(test_directory_visit),
	    cmocka_unit_test(test_killed_holder),
	    cmocka_unit_test(test_system),
	};

	role_play_if_asked(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
