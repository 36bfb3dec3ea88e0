/* SPDX-License-Identifier: MIT */
/* What stands in the way of loading the driver: each is told, and nothing is left behind. */
#include "library_tests.h"

#include "service.h"

#include "../../observer/windows/ioctl.h"

#include <string.h>

static void expect_refusal(int wanted, const char *words)
{
	struct counts counts = {0};
	struct procobsrv *monitor = open_monitor(&counts, "driver", 0, 0);
	int error = procobsrv_start(monitor);

	check(error == wanted, "error %d instead of %d: %s", error, wanted, procobsrv_explain());
	check(strstr(procobsrv_explain(), words) != NULL, "it does not say '%s': %s", words,
	      procobsrv_explain());
	note("%s", procobsrv_explain());
	procobsrv_close(monitor);
}

void test_foreign_service(void)
{
	DWORD error = service_create(PROCOBSRV_SERVICE_NAME, L"C:\\elsewhere\\ProcObsrv.sys");

	if (!check(!error, "no service: error %lu", error))
		return;
	expect_refusal(PROCOBSRV_ERROR_STATE, "C:\\elsewhere\\ProcObsrv.sys");
	check(service_exists(PROCOBSRV_SERVICE_NAME), "it was removed");
	service_remove(PROCOBSRV_SERVICE_NAME);
	expect_no_driver();
}

/* The path of a file beside this program. */
static void beside(const wchar_t *name, wchar_t path[MAX_PATH])
{
	GetModuleFileNameW(NULL, path, MAX_PATH);
	wcscpy(wcsrchr(path, L'\\') + 1, name);
}

void test_disabled_service(void)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	wchar_t path[MAX_PATH];
	SC_HANDLE service;

	beside(PROCOBSRV_DRIVER_FILE, path);
	service = CreateServiceW(manager, PROCOBSRV_SERVICE_NAME, NULL, SERVICE_ALL_ACCESS,
				 SERVICE_KERNEL_DRIVER, SERVICE_DISABLED, SERVICE_ERROR_NORMAL,
				 path, NULL, NULL, NULL, NULL, NULL);
	if (check(service != NULL, "no service: error %lu", GetLastError())) {
		expect_refusal(PROCOBSRV_ERROR_STATE, "sc config ProcObsrv start= demand");
		DeleteService(service);
		CloseServiceHandle(service);
	}
	CloseServiceHandle(manager);
	expect_no_driver();
}

void test_missing_file(void)
{
	wchar_t path[MAX_PATH], moved[MAX_PATH];

	beside(PROCOBSRV_DRIVER_FILE, path);
	beside(L"moved.sys", moved);
	if (!check(MoveFileW(path, moved), "not moved: error %lu", GetLastError()))
		return;
	expect_refusal(PROCOBSRV_ERROR_NOT_FOUND, "put ProcObsrv.sys beside the program");
	/* And one that is no driver at all. */
	CopyFileW(L"C:\\windows\\win.ini", path, FALSE);
	HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	DWORD written;
	WriteFile(file, "no driver", 9, &written, NULL);
	CloseHandle(file);
	struct counts counts = {0};
	struct procobsrv *monitor = open_monitor(&counts, "driver", 0, 0);
	check(procobsrv_start(monitor) < 0, "a text file was loaded");
	note("%s", procobsrv_explain());
	procobsrv_close(monitor);
	DeleteFileW(path);
	MoveFileW(moved, path);
	expect_no_driver();
}

/* A program without rights that holds the name of the lock is named as the reason. */
void test_squatted_lock(void)
{
	HANDLE squatter = CreateEventW(NULL, TRUE, FALSE, L"Global\\ProcObsrvSetup");

	if (!check(squatter && GetLastError() != ERROR_ALREADY_EXISTS, "the name is taken"))
		return;
	expect_refusal(PROCOBSRV_ERROR_PERMISSION, "ProcObsrvSetup");
	CloseHandle(squatter);
	expect_no_driver();
}
