/* SPDX-License-Identifier: MIT */
/* What lib/os.h and lib/windows supply beyond what every system does: test_os.c. */
#include "failure.h"
#include "ground.h"
#include "harness.h"
#include "os.h"
#include "procobsrv.h"
#include "wide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

static void test_clocks(void **state)
{
	uint64_t boot = os_boot_ns();
	FILETIME created, unused[3];
	uint64_t created_ns;

	(void)state;
	/* The records' clock is that of create times. */
	assert_true(
	    GetProcessTimes(GetCurrentProcess(), &created, &unused[0], &unused[1], &unused[2]));
	created_ns = (((uint64_t)created.dwHighDateTime << 32 | created.dwLowDateTime) -
		      116444736000000000u) *
		     100;
	assert_true(created_ns <= boot && boot - created_ns < 60000000000u);
}

static void test_tick_count(void **state)
{
	ULONGLONG(WINAPI * tick_count)
	(void) = NULL;
	ULONGLONG first, second;
	int tries = 600;

	(void)state;
	/* What winpthreads imports, and what NT 5.2 does not have. */
#if defined(__i386__)
	__asm__("movl __imp__GetTickCount64@0, %0" : "=r"(tick_count));
#else
	__asm__("movq __imp_GetTickCount64(%%rip), %0" : "=r"(tick_count));
#endif
	first = tick_count();
	/* Wine's server turns the count on, when it comes to that. */
	do
		sleep_ms(50);
	while ((second = tick_count()) - first < 30 && --tries);
	assert_true(second - first >= 30 && second - first < 60000);
	assert_true(GetTickCount() - (DWORD)second < 60000);
}

/* Nobody deletes or renames what is held, whatever rights they have in the directory. */
static void test_held_files(void **state)
{
	char *directory = directory_make(), path[600];
	struct os_file *file;

	(void)state;
	assert_int_equal(os_file_create_private(directory, "test-", &file), 0);
	snprintf(path, sizeof(path), "%s", os_file_path(file));
	assert_int_equal(path[1], ':');
	assert_false(DeleteFileA(path));
	assert_false(MoveFileA(path, "C:\\moved"));
	os_file_close(file, true);
	directory_remove(directory);
}

static void test_default_directory(void **state)
{
	char path[MAX_PATH];
	struct os_file *file;

	(void)state;
	assert_int_equal(os_file_create_private(NULL, "procobsrv-unit-test-", &file), 0);
	GetTempPathA(sizeof(path), path);
	assert_memory_equal(os_file_path(file), path, strlen(path));
	os_file_close(file, true);
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

static void test_no_terminal(void **state)
{
	char name[64];

	(void)state;
	assert_false(os_tty_name(0x8801, name, sizeof(name)));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),     cmocka_unit_test(test_tick_count),
	    cmocka_unit_test(test_held_files), cmocka_unit_test(test_default_directory),
	    cmocka_unit_test(test_long_paths), cmocka_unit_test(test_no_terminal),
	    cmocka_unit_test(test_errors),     cmocka_unit_test(test_devices),
	    cmocka_unit_test(test_wide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
