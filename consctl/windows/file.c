/* SPDX-License-Identifier: MIT */
/* Files: UTF-8 as it is, on consoles as UTF-16. */
#include "../platform.h"
#include "console.h"
#include "security.h"
#include "system_error.h"
#include "wide.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <winioctl.h>

/* A write takes its size in 32 bits. */
#define WRITE_MAX (64u << 20)
/* How long to wait for room in a pipe that somebody made non-blocking. */
#define FULL_PAUSE_MS 10

/* Whether it stands for another name: a symbolic link or a junction. Other reparse points (files in
 * a cloud, compressed ones) are files. */
static bool is_link(HANDLE file)
{
	union {
		DWORD tag; /* what every reparse buffer begins with */
		unsigned char bytes[MAXIMUM_REPARSE_DATA_BUFFER_SIZE];
	} * reparse;
	BY_HANDLE_FILE_INFORMATION information;
	DWORD got;
	bool link;

	if (!GetFileInformationByHandle(file, &information) ||
	    !(information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT))
		return false;
	reparse = malloc(sizeof(*reparse));
	if (!reparse)
		return true;
	link = !DeviceIoControl(file, FSCTL_GET_REPARSE_POINT, NULL, 0, reparse, sizeof(*reparse),
				&got, NULL) ||
	       IsReparseTagNameSurrogate(reparse->tag);
	free(reparse);
	return link;
}

static HANDLE open_to_write(const wchar_t *path, DWORD access, DWORD flags)
{
	struct security_private security;

	if (!security_private_init(&security))
		return INVALID_HANDLE_VALUE;
	return CreateFileW(path, access | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
			   FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			   &security.attributes, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL | flags, NULL);
}

static HANDLE open_to_overwrite(const wchar_t *path, DWORD flags)
{
	return open_to_write(path, FILE_WRITE_DATA, flags);
}

/* Reading is for platform_file_is_torn(); who may only append, may. */
static HANDLE open_readable_if_allowed(const wchar_t *path, DWORD flags)
{
	HANDLE file = open_to_write(path, FILE_APPEND_DATA | FILE_READ_DATA, flags);

	if (file == INVALID_HANDLE_VALUE && GetLastError() == ERROR_ACCESS_DENIED)
		file = open_to_write(path, FILE_APPEND_DATA, flags);
	return file;
}

/* Opens by `open`, and refuses a link. */
static int open_no_link(const char *path, HANDLE (*open)(const wchar_t *path, DWORD flags),
			intptr_t *file)
{
	wchar_t *wide = wide_path(path);
	HANDLE opened;
	int error = 0;

	if (!wide)
		return system_error_of(GetLastError());
	opened = open(wide, FILE_FLAG_OPEN_REPARSE_POINT);
	if (opened == INVALID_HANDLE_VALUE) {
		error = system_error_of(GetLastError());
	} else if (is_link(opened)) {
		CloseHandle(opened);
		error = ELOOP;
	} else {
		*file = (intptr_t)opened;
	}
	free(wide);
	return error;
}

int platform_file_open(const char *path, intptr_t *file)
{
	return open_no_link(path, open_readable_if_allowed, file);
}

int platform_file_open_anew(const char *path, intptr_t *file)
{
	int error = open_no_link(path, open_to_overwrite, file);

	/* Emptied only now that it is known to be no link. */
	if (!error && !SetEndOfFile((HANDLE)*file)) {
		error = system_error_of(GetLastError());
		CloseHandle((HANDLE)*file);
	}
	return error;
}

int platform_file_open_to_read(const char *path, intptr_t *file)
{
	wchar_t *wide;
	HANDLE opened;
	int error = 0;

	if (!strcmp(path, "-")) {
		*file = (intptr_t)GetStdHandle(STD_INPUT_HANDLE);
		return 0;
	}
	wide = wide_path(path);
	if (!wide)
		return system_error_of(GetLastError());
	opened =
	    CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			NULL, OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);
	if (opened == INVALID_HANDLE_VALUE) {
		DWORD attributes;

		error = system_error_of(GetLastError());
		attributes = GetFileAttributesW(wide);
		if (attributes != INVALID_FILE_ATTRIBUTES && attributes & FILE_ATTRIBUTE_DIRECTORY)
			error = EISDIR;
	} else {
		*file = (intptr_t)opened;
	}
	free(wide);
	return error;
}

intptr_t platform_file_standard_output(void)
{
	return (intptr_t)GetStdHandle(STD_OUTPUT_HANDLE);
}

int platform_file_write(intptr_t file, const void *data, size_t size)
{
	HANDLE handle = (HANDLE)file;
	const char *from = data;

	/* Whoever pretends to be a console, as other systems' terminals do, takes bytes. */
	if (console_is(handle) && console_write(handle, from, size))
		return 0;
	while (size) {
		DWORD wanted = size < WRITE_MAX ? (DWORD)size : WRITE_MAX;
		DWORD written;

		if (!WriteFile(handle, from, wanted, &written, NULL))
			return system_error_of(GetLastError());
		if (!written)
			Sleep(FULL_PAUSE_MS);
		from += written;
		size -= written;
	}
	return 0;
}

int platform_file_read(intptr_t file, void *data, size_t size, size_t *got)
{
	DWORD wanted = size < WRITE_MAX ? (DWORD)size : WRITE_MAX;
	DWORD count = 0;

	/* A pipe whose writers have gone is at its end. */
	if (!ReadFile((HANDLE)file, data, wanted, &count, NULL)) {
		DWORD code = GetLastError();

		if (code != ERROR_BROKEN_PIPE && code != ERROR_HANDLE_EOF)
			return system_error_of(code);
		count = 0;
	}
	*got = count;
	return 0;
}

int platform_file_close(intptr_t file)
{
	return CloseHandle((HANDLE)file) ? 0 : system_error_of(GetLastError());
}

bool platform_file_is_regular(intptr_t file)
{
	return GetFileType((HANDLE)file) == FILE_TYPE_DISK;
}

bool platform_file_is_torn(intptr_t file)
{
	LARGE_INTEGER size;
	OVERLAPPED place = {0};
	char last = '\n';
	DWORD got;

	if (!platform_file_is_regular(file) || !GetFileSizeEx((HANDLE)file, &size) ||
	    !size.QuadPart)
		return false;
	size.QuadPart--;
	place.Offset = size.LowPart;
	place.OffsetHigh = (DWORD)size.HighPart;
	return ReadFile((HANDLE)file, &last, 1, &got, &place) && got == 1 && last != '\n';
}
