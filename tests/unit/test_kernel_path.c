/* SPDX-License-Identifier: MIT */
/* What the name of a path itself tells. Devices are the system's matter, and tested with it. */
#include "harness.h"
#include "kernel_path.h"

#include <stddef.h>
#include <stdint.h>

/* NULL: there is none. */
static void expect(const char *kernel_path, const char *expected)
{
	struct buffer path = BUFFER_EMPTY;
	bool mapped = kernel_path_map(kernel_path, &path);

	assert_false(path.failed);
	assert_int_equal(mapped, expected != NULL);
	if (expected == NULL) {
		assert_int_equal(path.size, 0);
	} else {
		buffer_append_character(&path, 0);
		assert_string_equal(path.data, expected);
	}
	buffer_free(&path);
}

static void links_to_drives(void **state)
{
	(void)state;
	expect("\\??\\C:\\Windows\\x.exe", "C:\\Windows\\x.exe");
	expect("\\??\\c:\\x", "c:\\x");
	expect("\\\\?\\D:\\x", "D:\\x");
	expect("\\DosDevices\\C:\\x", "C:\\x");
	expect("\\GLOBAL??\\C:\\x", "C:\\x");
	expect("\\??\\GLOBALROOT\\??\\C:\\x", NULL); /* no loops through the root */
	expect("\\??\\C:x", NULL);
	expect("\\??\\", NULL);
	expect("\\??", NULL);
	expect("", NULL);
	expect("\\", NULL);
}

static void shares(void **state)
{
	(void)state;
	expect("\\??\\UNC\\server\\share\\x", "\\\\server\\share\\x");
	expect("\\\\?\\unc\\server\\share\\x", "\\\\server\\share\\x");
	expect("\\Device\\Mup\\server\\share\\x", "\\\\server\\share\\x");
	expect("\\device\\mup\\server\\share\\x", "\\\\server\\share\\x");
	expect("\\Device\\Mup\\;LanmanRedirector\\;Z:0000000000012345\\server\\share\\x",
	       "\\\\server\\share\\x");
	expect("\\Device\\LanmanRedirector\\;Z:0000000000012345\\server\\share\\x",
	       "\\\\server\\share\\x");
	expect("\\??\\GLOBALROOT\\Device\\Mup\\server\\share\\x", "\\\\server\\share\\x");
	expect("\\Device\\Mup\\", NULL);
	expect("\\Device\\Mup\\\\share", NULL);
	expect("\\Device\\Mup\\;LanmanRedirector", NULL);
	expect("\\Device\\Mup\\;LanmanRedirector\\", NULL);
	expect("\\Device\\Muppet\\server\\share\\x", NULL);
	expect("\\??\\UNC\\", NULL);
}

static void what_is_none(void **state)
{
	(void)state;
	expect("Registry", NULL);
	expect("Device\\Mup\\server\\share", NULL);
	expect("C:\\x", NULL); /* is it already */
	expect("/usr/bin/x", NULL);
}

static void common_paths(void **state)
{
	(void)state;
	assert_true(kernel_path_is_common("C:\\x"));
	assert_true(kernel_path_is_common("z:\\"));
	assert_true(kernel_path_is_common("\\\\server\\share\\x"));
	assert_false(kernel_path_is_common("C:x"));
	assert_false(kernel_path_is_common("C:"));
	assert_false(kernel_path_is_common("1:\\x"));
	assert_false(kernel_path_is_common("\\\\?\\C:\\x"));
	assert_false(kernel_path_is_common("\\\\.\\pipe\\x"));
	assert_false(kernel_path_is_common("\\\\"));
	assert_false(kernel_path_is_common("\\\\\\"));
	assert_false(kernel_path_is_common("\\??\\C:\\x"));
	assert_false(kernel_path_is_common("\\Device\\HarddiskVolume2\\x"));
	assert_false(kernel_path_is_common("\\"));
	assert_false(kernel_path_is_common(""));
	assert_false(kernel_path_is_common("System"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(links_to_drives),
	    cmocka_unit_test(shares),
	    cmocka_unit_test(what_is_none),
	    cmocka_unit_test(common_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
