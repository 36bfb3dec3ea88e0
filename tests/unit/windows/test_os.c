/* SPDX-License-Identifier: MIT */
/* What the portable half asks of the system, on Windows. */
#include "failure.h"
#include "ground.h"
#include "harness.h"
#include "os.h"
#include "procobsrv.h"
#include "security.h"
#include "wide.h"

#include <direct.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void test_clocks(void **state)
{
	uint64_t boot = os_boot_ns(), monotonic = os_monotonic_ns();
	int64_t wall = os_wall_ns();
	FILETIME created, unused[3];
	uint64_t created_ns;

	(void)state;
	assert_true(wall / 1000000000 - time(NULL) <= 1);
	assert_true(time(NULL) - wall / 1000000000 <= 1);
	/* The records' clock is that of create times. */
	assert_true(
	    GetProcessTimes(GetCurrentProcess(), &created, &unused[0], &unused[1], &unused[2]));
	created_ns = (((uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime) -
		      116444736000000000u) *
		     100;
	assert_true(created_ns <= boot && boot - created_ns < 60000000000u);
	sleep_ms(30);
	assert_true(os_monotonic_ns() - monotonic >= 25000000);
	assert_true(os_boot_ns() > boot);
}

static void test_tick_count(void **state)
{
	ULONGLONG(WINAPI * tick_count)
	(void) = NULL;
	ULONGLONG first, second;

	(void)state;
	/* What winpthreads imports, and what NT 5.2 does not have. */
#if defined(__i386__)
	__asm__("movl __imp__GetTickCount64@0, %0" : "=r"(tick_count));
#else
	__asm__("movq __imp_GetTickCount64(%%rip), %0" : "=r"(tick_count));
#endif
	first = tick_count();
	sleep_ms(50);
	second = tick_count();
	assert_true(second - first >= 30 && second - first < 10000);
	assert_true((DWORD)second - GetTickCount() + 100 < 200);
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
	assert_int_equal(path[1], ':');
	assert_non_null(strstr(path, "\\test-"));
	assert_int_equal(os_file_write(file, 3, "hello", 5), 0);
	assert_int_equal(os_file_size(file, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(os_file_read(file, 3, text, 5), 0);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(os_file_read(file, 4, text, 5), ENODATA);
	assert_int_equal(os_file_truncate(file, 4), 0);
	assert_int_equal(os_file_read(file, 3, text, 2), ENODATA);
	/* A bound that is beyond 4 GiB is none of 32 bits. */
	assert_int_equal(os_file_read(file, 1ull << 32, text, 1), ENODATA);

	/* Its maker lives. */
	assert_int_equal(os_file_adopt(path, &second), PROCOBSRV_ERROR_BUSY);
	assert_non_null(strstr(procobsrv_explain(), "used by a process"));
	assert_int_equal(os_file_open(path, &second), 0);
	assert_int_equal(os_file_read(second, 3, text, 1), 0);
	assert_int_equal(os_file_write(second, 0, text, 1), EACCES);
	os_file_close(second, false);
	assert_false(DeleteFileA(path));

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

/* Whoever else is let in, and directories: not touched. */
static void test_not_private(void **state)
{
	char *directory = directory_make(), path[600];
	struct os_file *file;

	(void)state;
	snprintf(path, sizeof(path), "%s\\planted", directory);
	file_write_private(path, "x", 1);
	assert_int_equal(os_file_adopt(path, &file), 0);
	os_file_close(file, false);
	file_make_public(path);
	assert_int_equal(os_file_adopt(path, &file), PROCOBSRV_ERROR_PERMISSION);
	assert_int_equal(errno, EPERM);
	file_remove(path);
	assert_true(file_plant(path, NULL, 0));
	assert_true(os_file_adopt(path, &file) < 0);
	file_remove(path);
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
	char *directory = directory_make(), here[MAX_PATH];
	struct os_file *file;

	(void)state;
	assert_non_null(_getcwd(here, sizeof(here)));
	assert_int_equal(_chdir(directory), 0);
	assert_int_equal(os_file_create_private(".", "test-", &file), 0);
	assert_int_equal(_chdir(here), 0);
	os_file_close(file, true);
	directory_remove(directory);
}

static void test_directories(void **state)
{
	char path[MAX_PATH];
	struct os_file *file = NULL;

	(void)state;
	assert_int_equal(os_file_create_private(NULL, "procobsrv-unit-test-", &file), 0);
	GetTempPathA(sizeof(path), path);
	assert_memory_equal(os_file_path(file), path, strlen(path));
	os_file_close(file, true);
	file = NULL;
	assert_int_equal(os_file_create_private(ground_missing_directory, "test-", &file),
			 PROCOBSRV_ERROR_NOT_FOUND);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(procobsrv_explain(), ground_missing_directory));
	assert_true(os_file_create_private(ground_no_directory, "test-", &file) < 0);
	assert_int_equal(errno, ENOTDIR);
	assert_null(file);
}

/* Longer than the 260 characters that names once could have, and none of ASCII. */
static void test_long_paths(void **state)
{
	char *directory = directory_make(), path[1200];
	wchar_t *levels[8];
	struct os_file *file;
	size_t length, depth = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s", directory);
	while (strlen(path) < 400) {
		length = strlen(path);
		snprintf(
		    path + length, sizeof(path) - length,
		    "\\\xc3\xa4\xe2\x82\xac-a directory of a name that is rather long, like a row");
		levels[depth] = wide_path(path);
		assert_non_null(levels[depth]);
		assert_true(CreateDirectoryW(levels[depth++], NULL));
	}
	assert_int_equal(os_file_create_private(path, "test-", &file), 0);
	assert_int_equal(os_file_write(file, 0, "x", 1), 0);
	os_file_close(file, true);
	while (depth > 0) {
		assert_true(RemoveDirectoryW(levels[--depth]));
		free(levels[depth]);
	}
	directory_remove(directory);
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
	assert_int_equal(os_process_id(), GetCurrentProcessId());
	assert_false(os_tty_name(0x8801, host, sizeof(host)));
	assert_false(os_is_terminal(tmpfile()));
	assert_int_equal(os_terminal_columns(tmpfile()), 0);
}

static void test_errors(void **state)
{
	(void)state;
	assert_string_equal(os_error_name(ERROR_ACCESS_DENIED), "ERROR_ACCESS_DENIED");
	assert_string_equal(os_error_name(577), "ERROR_INVALID_IMAGE_HASH");
	assert_null(os_error_name(0));
	assert_null(os_error_name(99999));
	assert_int_equal(failure_errno(ERROR_DISK_FULL), ENOSPC);
	assert_int_equal(failure_errno(99999), EIO);
	assert_string_equal(os_error_text(ENOSPC), strerror(ENOSPC));
	assert_null(strstr(os_error_text(ENODATA), "Unknown"));
	assert_int_equal(error_set_windows(ERROR_ACCESS_DENIED, "cannot do %d things", 3),
			 PROCOBSRV_ERROR_PERMISSION);
	assert_memory_equal(procobsrv_explain(), "cannot do 3 things: ", 20);
	assert_non_null(strstr(procobsrv_explain(), "ERROR_ACCESS_DENIED, 5"));
	assert_int_equal(error_set_windows(99999, "cannot"), PROCOBSRV_ERROR_SYSTEM);
	assert_string_equal(procobsrv_explain(), "cannot: error 99999");
}

/* Where drives are is asked of the system itself, the other way round. */
static void test_devices(void **state)
{
	wchar_t device[1024];
	char windows[MAX_PATH], prefix[300] = "untouched", path[1100], *narrow;

	(void)state;
	assert_true(QueryDosDeviceW(L"C:", device, 1024) > 0);
	narrow = wide_to_utf8(device, wcslen(device));
	snprintf(path, sizeof(path), "%s\\windows\\x.exe", narrow);
	assert_int_equal(os_path_of_device(path, prefix, sizeof(prefix)), strlen(narrow));
	assert_string_equal(prefix, "C:");
	snprintf(path, sizeof(path), "%s9\\x.exe", narrow); /* another device */
	snprintf(prefix, sizeof(prefix), "untouched");
	assert_int_equal(os_path_of_device(path, prefix, sizeof(prefix)), 0);
	assert_string_equal(prefix, "untouched");
	assert_int_equal(os_path_of_device(narrow, prefix, 2), 0); /* it does not fit */
	assert_string_equal(prefix, "untouched");
	free(narrow);

	assert_int_equal(os_path_of_device("\\systemroot\\System32\\x.exe", prefix, sizeof(prefix)),
			 11);
	GetWindowsDirectoryA(windows, sizeof(windows));
	assert_string_equal(prefix, windows);
	assert_int_equal(os_path_of_device("\\SystemRooted\\x.exe", prefix, sizeof(prefix)), 0);
	assert_int_equal(os_path_of_device("\\??\\C:\\x.exe", prefix, sizeof(prefix)), 6);
	assert_string_equal(prefix, "C:");
	assert_int_equal(os_path_of_device("\\Device\\Nonexistent\\x", prefix, sizeof(prefix)), 0);
	assert_int_equal(os_path_of_device("\\??\\GLOBALROOT\\x", prefix, sizeof(prefix)), 0);
}

static void test_wide(void **state)
{
	/* A pair, a half alone, and a character of each length. */
	static const wchar_t wide[] = {0x41, 0xe4, 0x20ac, 0xd83d, 0xde00, 0xd800, 0x42, 0};
	static const char narrow[] = "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80"
				     "B";
	char *to = wide_to_utf8(wide, 7);
	wchar_t *from = wide_from_utf8(narrow);

	(void)state;
	assert_string_equal(to, narrow);
	assert_memory_equal(from, wide, sizeof(wide));
	free(to);
	free(from);
	from = wide_from_utf8("a\xff");
	assert_int_equal(from[1], 0xfffd);
	assert_int_equal(from[2], 0);
	free(from);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"holder", play_holder}, {NULL, NULL}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),	    cmocka_unit_test(test_tick_count),
	    cmocka_unit_test(test_waits),	    cmocka_unit_test(test_event),
	    cmocka_unit_test(test_files),	    cmocka_unit_test(test_not_private),
	    cmocka_unit_test(test_unname),	    cmocka_unit_test(test_relative_directory),
	    cmocka_unit_test(test_directories),	    cmocka_unit_test(test_long_paths),
	    cmocka_unit_test(test_directory_visit), cmocka_unit_test(test_killed_holder),
	    cmocka_unit_test(test_system),	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_devices),	    cmocka_unit_test(test_wide),
	};

	role_play_if_asked(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
