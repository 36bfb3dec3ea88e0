/* SPDX-License-Identifier: MIT */
#include "service_file.h"

#include "error.h"
#include "lookup.h"

#include "../../observer/windows/ioctl.h"

#include <stdlib.h>
#include <wchar.h>

#define MACHINE_ARM64 0xaa64

/* Appends; false: it does not fit. */
static bool append(wchar_t path[SERVICE_FILE_PATH_MAX], const wchar_t *text)
{
	size_t used = wcslen(path), more = wcslen(text);

	if (used + more >= SERVICE_FILE_PATH_MAX)
		return false;
	wmemcpy(path + used, text, more + 1);
	return true;
}

bool service_file_beside(wchar_t path[SERVICE_FILE_PATH_MAX])
{
	HMODULE module;
	DWORD length;
	wchar_t *last;

	if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
				    GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
				(const wchar_t *)(uintptr_t)service_file_beside, &module))
		return false;
	length = GetModuleFileNameW(module, path, SERVICE_FILE_PATH_MAX);
	if (!length || length >= SERVICE_FILE_PATH_MAX || !(last = wcsrchr(path, L'\\')))
		return false;
	last[1] = L'\0';
	return append(path, PROCOBSRV_DRIVER_FILE);
}

bool service_file_installed(wchar_t path[SERVICE_FILE_PATH_MAX])
{
	UINT length = GetSystemDirectoryW(path, SERVICE_FILE_PATH_MAX);

	return length && length < SERVICE_FILE_PATH_MAX && append(path, L"\\drivers\\") &&
	       append(path, PROCOBSRV_DRIVER_FILE);
}

static bool begins_with(const wchar_t *text, const wchar_t *beginning)
{
	return !_wcsnicmp(text, beginning, wcslen(beginning));
}

/* A path as programs write it. */
static bool plain_path(const wchar_t *image, wchar_t path[SERVICE_FILE_PATH_MAX])
{
	path[0] = L'\0';
	if (begins_with(image, L"\\??\\") || begins_with(image, L"\\\\?\\"))
		image += 4;
	if (image[0] && image[1] == L':')
		return append(path, image);
	if (begins_with(image, L"\\SystemRoot\\"))
		image += 12;
	else if (begins_with(image, L"%SystemRoot%\\"))
		image += 13;
	UINT length = GetSystemWindowsDirectoryW(path, SERVICE_FILE_PATH_MAX);
	return length && length < SERVICE_FILE_PATH_MAX && append(path, L"\\") &&
	       append(path, image);
}

bool service_file_is(const wchar_t *image, const wchar_t *path)
{
	wchar_t *plain = malloc(2 * SERVICE_FILE_PATH_MAX * sizeof(*plain));
	wchar_t *other = plain + SERVICE_FILE_PATH_MAX;
	bool same =
	    plain && plain_path(image, plain) && plain_path(path, other) && !_wcsicmp(plain, other);

	free(plain);
	return same;
}

int service_file_check_machine(void)
{
	BOOL(WINAPI * is_wow64)
	(HANDLE, BOOL *) = (BOOL(WINAPI *)(HANDLE, BOOL *))lookup("kernel32.dll", "IsWow64Process");
	BOOL(WINAPI * is_wow64_2)
	(HANDLE, USHORT *, USHORT *) =
	    (BOOL(WINAPI *)(HANDLE, USHORT *, USHORT *))lookup("kernel32.dll", "IsWow64Process2");
	USHORT process_machine, native_machine;
	BOOL emulated;

	if (is_wow64_2 && is_wow64_2(GetCurrentProcess(), &process_machine, &native_machine) &&
	    native_machine == MACHINE_ARM64)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "there is no driver for ARM64: Windows loads drivers of its own "
				 "processor alone, and this program is for x86");
	if (is_wow64 && is_wow64(GetCurrentProcess(), &emulated) && emulated)
		return error_set(PROCOBSRV_ERROR_UNSUPPORTED,
				 "this is the 32-bit program, and this Windows has 64 bits: the "
				 "driver needs the 64-bit program");
	return 0;
}
