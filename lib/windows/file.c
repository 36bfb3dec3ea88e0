/* SPDX-License-Identifier: MIT */
/*
 * Private files of lib/os.h for Windows. A file that is being used is open for writing, and shares
 * neither writing nor deleting: that tells left-overs from files in use, and ends with the process,
 * however that ends.
 */
#include "failure.h"
#include "lookup.h"
#include "os.h"
#include "security.h"
#include "wide.h"

#include <errno.h>
#include <ntsecapi.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <winternl.h>

struct os_file {
	HANDLE handle;
	char *path; /* owned; absolute */
};

/* error_set() is free to change errno, but those who count losses want to know it. */
static int failed(int code, int error)
{
	errno = error;
	return code;
}

static int out_of_memory(void)
{
	return failed(error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a file"), ENOMEM);
}

/* GetTempPathW() follows TMP, TEMP and USERPROFILE. */
const char *os_temporary_directory(void)
{
	static _Thread_local char path[(MAX_PATH + 1) * 3 + 1];
	wchar_t wide[MAX_PATH + 2];
	DWORD count = GetTempPathW(sizeof(wide) / sizeof(*wide), wide);
	char *narrow = NULL;

	if (count > 0 && count < sizeof(wide) / sizeof(*wide))
		narrow = wide_to_utf8(wide, count);
	snprintf(path, sizeof(path), "%s", narrow ? narrow : ".");
	free(narrow);
	return path;
}

static const char *directory_or_default(const char *directory)
{
	return directory && *directory ? directory : os_temporary_directory();
}

/* Those of FILE_INFORMATION_CLASS that are used here. */
enum { RENAME = 10, DISPOSITION = 13, END_OF_FILE = 20, DISPOSITION_EX = 64 };

static NTSTATUS set_information(HANDLE handle, void *information, size_t size, ULONG class)
{
	typedef NTSTATUS(NTAPI * set_function)(HANDLE, IO_STATUS_BLOCK *, void *, ULONG, ULONG);
	set_function set = (set_function)lookup("ntdll.dll", "NtSetInformationFile");
	IO_STATUS_BLOCK status;

	return set(handle, &status, information, (ULONG)size, class);
}

/* Deletes the file when its last handle is closed. */
static void delete_at_close(HANDLE handle)
{
	BOOLEAN delete = TRUE;

	set_information(handle, &delete, sizeof(delete), DISPOSITION);
}

/* Deletes the name at once, the rest at the last close. False: before Windows 10 1607. */
static bool delete_name(HANDLE handle)
{
	ULONG flags = 0x1 | 0x2; /* FILE_DISPOSITION_DELETE, FILE_DISPOSITION_POSIX_SEMANTICS */

	return set_information(handle, &flags, sizeof(flags), DISPOSITION_EX) >= 0;
}

/* Takes over handle and path, or closes and frees them and, if `is_new`, deletes the file. */
static int file_new(HANDLE handle, wchar_t *path, bool is_new, struct os_file **file)
{
	struct os_file *new_file = malloc(sizeof(*new_file));
	char *narrow = wide_to_utf8(path, wcslen(path));

	free(path);
	if (!new_file || !narrow) {
		if (is_new)
			delete_at_close(handle);
		CloseHandle(handle);
		free(new_file);
		free(narrow);
		return out_of_memory();
	}
	new_file->handle = handle;
	new_file->path = narrow;
	*file = new_file;
	return 0;
}

/* The absolute path; NULL with error_set() called. */
static wchar_t *open_path(const char *path, int *code)
{
	wchar_t *wide = wide_path(path);
	DWORD error = GetLastError();

	if (!wide)
		*code = failed(error_set_windows(error, "cannot use the path %s", path),
			       failure_errno(error));
	return wide;
}

static int check_directory(const char *directory, const wchar_t *wide)
{
	DWORD attributes = GetFileAttributesW(wide);
	DWORD error = GetLastError();

	if (attributes == INVALID_FILE_ATTRIBUTES)
		return failed(error_set_windows(error, "cannot use the directory %s", directory),
			      failure_errno(error));
	if (!(attributes & FILE_ATTRIBUTE_DIRECTORY))
		return failed(
		    error_set_windows(ERROR_DIRECTORY, "cannot use %s as a directory", directory),
		    ENOTDIR);
	return 0;
}

static uint64_t random_number(void)
{
	uint64_t random;

	if (!RtlGenRandom(&random, sizeof(random)))
		random = os_monotonic_ns() * 6364136223846793005u + os_process_id();
	return random;
}

static wchar_t *random_path(const char *directory, const char *prefix)
{
	size_t size = strlen(directory) + strlen(prefix) + 24;
	char *path = malloc(size);
	wchar_t *wide = NULL;
	uint64_t random;

	if (!RtlGenRandom(&random, sizeof(random)))
		random = os_monotonic_ns() * 6364136223846793005u + os_process_id();
	if (path) {
		snprintf(path, size, "%s\\%s%016llx", directory, prefix,
			 (unsigned long long)random);
		wide = wide_path(path);
	}
	free(path);
	return wide;
}

int os_file_create_private(const char *directory, const char *prefix, struct os_file **file)
{
	struct security_private security;
	HANDLE handle = INVALID_HANDLE_VALUE;
	wchar_t *path;
	DWORD error = 0;
	int code = 0;

	directory = directory_or_default(directory);
	path = open_path(directory, &code);
	if (path)
		code = check_directory(directory, path);
	free(path);
	if (!code && !security_private_init(&security)) {
		error = GetLastError();
		code = failed(error_set_windows(error, "cannot tell who this user is"),
			      failure_errno(error));
	}
	if (code)
		return code;
	path = NULL;
	for (int tries = 0; tries < 100 && handle == INVALID_HANDLE_VALUE; tries++) {
		free(path);
		path = random_path(directory, prefix);
		if (!path)
			return out_of_memory();
		handle = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE | READ_CONTROL,
				     FILE_SHARE_READ, &security.attributes, CREATE_NEW,
				     FILE_ATTRIBUTE_NORMAL, NULL);
		error = GetLastError();
		if (handle == INVALID_HANDLE_VALUE && error != ERROR_FILE_EXISTS)
			break;
	}
	if (handle == INVALID_HANDLE_VALUE) {
		free(path);
		return failed(
		    error_set_windows(error, "cannot create a private file in %s", directory),
		    failure_errno(error));
	}
	return file_new(handle, path, true, file);
}

/* A file that is being deleted is refused as if it were another user's: the last status tells. */
static bool is_gone(DWORD error)
{
	const NTSTATUS delete_pending = (NTSTATUS)0xc0000056;
	typedef NTSTATUS(NTAPI * last_function)(void);
	last_function last = (last_function)lookup("ntdll.dll", "RtlGetLastNtStatus");

	return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ||
	       error == ERROR_DELETE_PENDING ||
	       (error == ERROR_ACCESS_DENIED && last && last() == delete_pending);
}

/* How a file that exists is opened. */
struct opening {
	const char *verb; /* for messages */
	DWORD access;
	DWORD share;
	DWORD flags;
};

/* The handle, and the path that the caller frees; or a code, with error_set() called. */
static int open_existing(const char *path, const struct opening *opening, HANDLE *handle,
			 wchar_t **wide)
{
	int code = 0;
	wchar_t *absolute = open_path(path, &code);
	HANDLE opened;
	DWORD error;

	if (!absolute)
		return code;
	opened = CreateFileW(absolute, opening->access, opening->share, NULL, OPEN_EXISTING,
			     opening->flags, NULL);
	error = GetLastError();
	if (opened != INVALID_HANDLE_VALUE) {
		*handle = opened;
		*wide = absolute;
		return 0;
	}
	/* Before anything else is called: it asks for the last status. */
	code = is_gone(error) ? PROCOBSRV_ERROR_NOT_FOUND : 0;
	free(absolute);
	if (code)
		return failed(error_set(code, "%s does not exist", path), ENOENT);
	if (error == ERROR_SHARING_VIOLATION)
		return failed(
		    error_set(PROCOBSRV_ERROR_BUSY, "%s is used by a process that runs", path),
		    EBUSY);
	return failed(error_set_windows(error, "cannot %s %s", opening->verb, path),
		      failure_errno(error));
}

int os_file_open(const char *path, struct os_file **file)
{
	static const struct opening opening = {
	    .verb = "open",
	    .access = GENERIC_READ,
	    .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
	    .flags = FILE_ATTRIBUTE_NORMAL,
	};
	HANDLE handle;
	wchar_t *wide;
	int code = open_existing(path, &opening, &handle, &wide);

	return code ? code : file_new(handle, wide, false, file);
}

int os_file_take(intptr_t handle, const char *path, struct os_file **file)
{
	wchar_t *wide = wide_path(path);

	if (wide)
		return file_new((HANDLE)handle, wide, false, file);
	CloseHandle((HANDLE)handle);
	return out_of_memory();
}

intptr_t os_file_handle(const struct os_file *file)
{
	return (intptr_t)file->handle;
}

int os_file_adopt(const char *path, struct os_file **file)
{
	/* What a link leads to is not what was made; the link itself is no plain file. */
	static const struct opening opening = {
	    .verb = "take over",
	    .access = GENERIC_READ | GENERIC_WRITE | DELETE | READ_CONTROL,
	    .share = FILE_SHARE_READ,
	    .flags = FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT,
	};
	HANDLE handle;
	wchar_t *wide;
	int code = open_existing(path, &opening, &handle, &wide);

	if (code)
		return code;
	if (!security_is_private(handle)) {
		CloseHandle(handle);
		free(wide);
		return failed(error_set(PROCOBSRV_ERROR_PERMISSION,
					"%s is not a private file of this user: not touched", path),
			      EPERM);
	}
	return file_new(handle, wide, false, file);
}

int os_directory_free(const char *directory, uint64_t *bytes)
{
	ULARGE_INTEGER available;
	wchar_t *wide = wide_path(directory);

	if (!wide)
		return ENOMEM;
	BOOL done = GetDiskFreeSpaceExW(wide, &available, NULL, NULL);
	DWORD error = done ? 0 : GetLastError();
	free(wide);
	if (!done)
		return failure_errno(error);
	*bytes = available.QuadPart;
	return 0;
}

int os_file_size(struct os_file *file, uint64_t *size)
{
	LARGE_INTEGER bytes;

	if (!GetFileSizeEx(file->handle, &bytes))
		return failure_errno(GetLastError());
	*size = (uint64_t)bytes.QuadPart;
	return 0;
}

/* What one call takes at most: its count has 32 bits. */
#define PIECE_MAX (1u << 30)

/* Where the next piece is, for calls on a handle that waits by itself. */
static OVERLAPPED at_offset(uint64_t offset)
{
	OVERLAPPED place = {0};

	place.Offset = (DWORD)offset;
	place.OffsetHigh = (DWORD)(offset >> 32);
	return place;
}

int os_file_write(struct os_file *file, uint64_t offset, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		OVERLAPPED place = at_offset(offset);
		DWORD done, piece = size < PIECE_MAX ? (DWORD)size : PIECE_MAX;

		if (!WriteFile(file->handle, next, piece, &done, &place))
			return failure_errno(GetLastError());
		if (done == 0)
			return ENOSPC;
		next += done;
		offset += done;
		size -= done;
	}
	return 0;
}

int os_file_read(struct os_file *file, uint64_t offset, void *data, size_t size)
{
	char *next = data;

	while (size > 0) {
		OVERLAPPED place = at_offset(offset);
		DWORD done, piece = size < PIECE_MAX ? (DWORD)size : PIECE_MAX;

		if (!ReadFile(file->handle, next, piece, &done, &place))
			return failure_errno(GetLastError());
		if (done == 0)
			return ENODATA;
		next += done;
		offset += done;
		size -= done;
	}
	return 0;
}

int os_file_truncate(struct os_file *file, uint64_t size)
{
	/* Not by SetEndOfFile(): that goes by a position, which reads on other threads move. */
	LARGE_INTEGER end = {.QuadPart = (LONGLONG)size};
	NTSTATUS status = set_information(file->handle, &end, sizeof(end), END_OF_FILE);

	return status < 0 ? failure_errno(RtlNtStatusToDosError(status)) : 0;
}

const char *os_file_path(const struct os_file *file)
{
	return file->path;
}

/* Gives the file a name beside its own that nobody looks for. Wide paths are absolute. */
static void rename_aside(HANDLE handle, const wchar_t *path)
{
	static const wchar_t root[] = L"\\??\\";
	struct {
		FILE_RENAME_INFORMATION information;
		wchar_t room[2 * MAX_PATH]; /* a longer path keeps its name until the close */
	} request = {0};
	wchar_t *name = request.information.FileName;
	const wchar_t *last = wcsrchr(path, L'\\');
	size_t length;
	uint64_t random = random_number();

	if (!last || (size_t)(last - path) > MAX_PATH || path[1] != L':')
		return;
	wcscpy(name, root);
	wcsncat(name, path, (size_t)(last + 1 - path));
	length = wcslen(name);
	swprintf(name + length, 48, L"deleted-procobsrv-%08x%08x", (unsigned)(random >> 32),
		 (unsigned)random);
	request.information.FileNameLength = (ULONG)(wcslen(name) * sizeof(*name));
	set_information(handle, &request, sizeof(request), RENAME);
}

void os_file_unname(struct os_file *file)
{
	wchar_t *path;

	if (delete_name(file->handle))
		return;
	path = wide_path(file->path);
	if (path)
		rename_aside(file->handle, path);
	free(path);
	delete_at_close(file->handle);
}

void os_file_close(struct os_file *file, bool remove)
{
	if (!file)
		return;
	if (remove)
		delete_at_close(file->handle);
	CloseHandle(file->handle);
	free(file->path);
	free(file);
}

/* Calls visit for a name that the system found; it ignores case, and looks at short names too. */
static int visit_name(const char *directory, const wchar_t *found, const char *prefix,
		      int (*visit)(const char *path, void *param), void *param)
{
	char *name = wide_to_utf8(found, wcslen(found)), *path = NULL;
	size_t size = strlen(directory) + (name ? strlen(name) : 0) + 2;
	int result = 0;

	if (name && strncmp(name, prefix, strlen(prefix)) != 0) {
		free(name);
		return 0;
	}
	if (name)
		path = malloc(size);
	if (path) {
		snprintf(path, size, "%s\\%s", directory, name);
		result = visit(path, param);
	} else {
		result = out_of_memory();
	}
	free(path);
	free(name);
	return result;
}

int os_directory_visit(const char *directory, const char *prefix,
		       int (*visit)(const char *path, void *param), void *param)
{
	WIN32_FIND_DATAW found;
	wchar_t *pattern;
	HANDLE search;
	DWORD error;
	size_t size;
	char *text;
	int result = 0;

	directory = directory_or_default(directory);
	size = strlen(directory) + 3;
	text = malloc(size);
	if (!text)
		return out_of_memory();
	snprintf(text, size, "%s\\*", directory);
	pattern = open_path(text, &result);
	free(text);
	if (!pattern)
		return result;
	search = FindFirstFileW(pattern, &found);
	error = GetLastError();
	free(pattern);
	if (search == INVALID_HANDLE_VALUE && error == ERROR_FILE_NOT_FOUND)
		return 0; /* a root directory that is empty */
	if (search == INVALID_HANDLE_VALUE)
		return failed(error_set_windows(error, "cannot read the directory %s", directory),
			      failure_errno(error));
	do
		result = visit_name(directory, found.cFileName, prefix, visit, param);
	while (result == 0 && FindNextFileW(search, &found));
	FindClose(search);
	return result;
}
