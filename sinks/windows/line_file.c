/* SPDX-License-Identifier: MIT */
/*
 * While it is written, nobody else may open it for writing, which is the lock, but anybody may
 * rename or remove it who has the right to.
 */
#include "line_file.h"

#include "buffer.h"
#include "failure.h"
#include "rights.h"
#include "security.h"
#include "wide.h"

#include <aclapi.h>
#include <errno.h>
#include <sddl.h>
#include <stdlib.h>
#include <string.h>

/* What lets somebody change a file or who may. */
#define CHANGING                                                                                   \
	(FILE_WRITE_DATA | FILE_APPEND_DATA | FILE_WRITE_ATTRIBUTES | FILE_WRITE_EA | DELETE |     \
	 WRITE_DAC | WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL)

const char line_file_initial[] = "C:\\ProgramData\\ProcObsrv\\events.jsonl";

/* ---- who may read ---- */

/* The group's SID as text, which LocalFree() frees; NULL: there is no such group. */
static char *find_group(const char *name)
{
	char sid[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(sid), domain_size = 256;
	wchar_t domain[256];
	SID_NAME_USE use;
	char *text = NULL;
	wchar_t *wide = wide_from_utf8(name);

	if (wide && LookupAccountNameW(NULL, wide, sid, &size, domain, &domain_size, &use) &&
	    (use == SidTypeGroup || use == SidTypeAlias || use == SidTypeWellKnownGroup) &&
	    !ConvertSidToStringSidA(sid, &text))
		text = NULL;
	free(wide);
	return text;
}

int line_file_check_group(const char *group)
{
	char *sid = group ? find_group(group) : NULL;

	if (group && !sid)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "group: there is no group '%s'", group);
	LocalFree(sid);
	return 0;
}

/* An entry for three bits of the mode: 4 reads, 2 writes. */
static void append_entry(struct buffer *text, unsigned bits, const char *sid)
{
	if (!(bits & 6) || !sid)
		return;
	buffer_append_text(text, "(A;;");
	buffer_append_text(text, bits & 4 ? "FR" : "");
	buffer_append_text(text, bits & 2 ? "FW" : "");
	buffer_append_text(text, ";;;");
	buffer_append_text(text, sid);
	buffer_append_text(text, ")");
}

/* Nothing is inherited. What is made in a directory of ours has an access list of its own. */
static bool append_rights(struct buffer *text, const struct line_file_place *place)
{
	char *group = place->group ? find_group(place->group) : NULL;
	char *own = security_own_text();

	buffer_append_text(text, "O:");
	buffer_append_text(text, own ? own : "");
	buffer_append_text(text, "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;");
	buffer_append_text(text, own ? own : "");
	buffer_append_text(text, ")");
	append_entry(text, place->mode >> 3, group);
	append_entry(text, place->mode, "AU");
	buffer_append_character(text, '\0');
	bool fine = own && (group || !place->group) && !text->failed;
	LocalFree(group);
	LocalFree(own);
	return fine;
}

/* To be freed by LocalFree(). 0 or an error of Windows. */
static DWORD make_rights(const struct line_file_place *place, SECURITY_ATTRIBUTES *attributes)
{
	struct buffer text = BUFFER_EMPTY;
	DWORD error = ERROR_SUCCESS;

	*attributes = (SECURITY_ATTRIBUTES){.nLength = sizeof(*attributes)};
	if (!append_rights(&text, place))
		error = text.failed ? ERROR_NOT_ENOUGH_MEMORY : ERROR_NONE_MAPPED;
	else if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
		     text.data, SDDL_REVISION_1, &attributes->lpSecurityDescriptor, NULL))
		error = GetLastError();
	buffer_free(&text);
	return error;
}

/* ---- opening ---- */

/* The directory that the file is to be in; one that is missing is made, not a whole path. */
static int ensure_directory(const wchar_t *path, SECURITY_ATTRIBUTES *attributes)
{
	wchar_t *directory = _wcsdup(path);
	wchar_t *last = directory ? wcsrchr(directory, L'\\') : NULL;
	DWORD error = ERROR_SUCCESS;

	if (!directory)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path");
	/* That of a whole drive is there, or cannot be made. */
	if (last && last > directory && last[-1] != L':') {
		*last = L'\0';
		if (!CreateDirectoryW(directory, attributes) &&
		    GetFileAttributesW(directory) == INVALID_FILE_ATTRIBUTES)
			error = GetLastError();
	}
	if (error) {
		char *narrow = wide_to_utf8(directory, wcslen(directory));
		error = error_set_windows(error, "cannot make the directory '%s'",
					  narrow ? narrow : "");
		free(narrow);
	}
	free(directory);
	return (int)error;
}

static DWORD open_either(const wchar_t *path, SECURITY_ATTRIBUTES *attributes, HANDLE *opened)
{
	const DWORD access = FILE_GENERIC_READ | FILE_GENERIC_WRITE;
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_DELETE;

	*opened =
	    CreateFileW(path, access, share, attributes, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
	if (*opened == INVALID_HANDLE_VALUE && GetLastError() == ERROR_FILE_EXISTS)
		*opened = CreateFileW(path, access, share, NULL, OPEN_EXISTING,
				      FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
	return *opened == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
}

static bool may_change(const ACE_HEADER *entry)
{
	const ACCESS_ALLOWED_ACE *allowed = (const ACCESS_ALLOWED_ACE *)entry;
	PSID subject = (PSID)(UINT_PTR)&allowed->SidStart;

	if (entry->AceType != ACCESS_ALLOWED_ACE_TYPE)
		return entry->AceType != ACCESS_DENIED_ACE_TYPE;
	return (allowed->Mask & CHANGING) && !security_is_own(subject) &&
	       !rights_is_administrators(subject);
}

static bool others_may_change(PACL list)
{
	if (!list)
		return true; /* without one everybody may do everything */
	for (DWORD at = 0; at < list->AceCount; at++) {
		void *entry;
		if (!GetAce(list, at, &entry) || may_change(entry))
			return true;
	}
	return false;
}

/* What is wrong with whose it is; NULL: nothing. */
static const char *judge_rights(const struct line_file_place *place, HANDLE file)
{
	PSECURITY_DESCRIPTOR descriptor = NULL;
	const char *what = NULL;
	PSID owner = NULL;
	PACL list = NULL;

	if (GetSecurityInfo(file, SE_FILE_OBJECT,
			    OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner, NULL,
			    &list, NULL, &descriptor) != ERROR_SUCCESS)
		return "whose it is cannot be told";
	if (!owner || (!security_is_own(owner) && !rights_is_administrators(owner)))
		what = "it belongs to another user";
	else if (!(place->mode & 0022) && others_may_change(list))
		what = "others may write to it";
	LocalFree(descriptor);
	return what;
}

/* Lines go into a plain file of one name that nobody else owns or may change. */
static int check_file(const struct line_file_place *place, HANDLE file)
{
	BY_HANDLE_FILE_INFORMATION information;
	const char *what = NULL;

	if (GetFileType(file) != FILE_TYPE_DISK || !GetFileInformationByHandle(file, &information))
		what = "it is no plain file";
	else if (information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
		what = "it is a symbolic link";
	else if (information.nNumberOfLinks > 1)
		what = "it has another name (a hard link)";
	else
		what = judge_rights(place, file);
	if (!what)
		return 0;
	return error_set(PROCOBSRV_ERROR_PERMISSION,
			 "will not write to '%s': %s; remove it, or name another path", place->path,
			 what);
}

static int explain_open(DWORD error, const char *path)
{
	if (error == ERROR_SHARING_VIOLATION)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "'%s' is in use by another service; stop that, or name another "
				 "path",
				 path);
	return error_set_windows(error, "cannot write to '%s'", path);
}

static int open_and_check(const struct line_file_place *place, const wchar_t *path, HANDLE *opened)
{
	SECURITY_ATTRIBUTES attributes;
	DWORD failure = make_rights(place, &attributes);

	if (failure)
		return error_set_windows(failure, "cannot say who may read '%s'", place->path);
	int error = ensure_directory(path, &attributes);
	if (!error && (failure = open_either(path, &attributes, opened)))
		error = explain_open(failure, place->path);
	LocalFree(attributes.lpSecurityDescriptor);
	if (error)
		return error;
	error = check_file(place, *opened);
	if (error)
		CloseHandle(*opened);
	return error;
}

int line_file_open(const struct line_file_place *place, struct os_file **file)
{
	wchar_t *path = wide_path(place->path);
	HANDLE opened = INVALID_HANDLE_VALUE;

	if (!path)
		return error_set_windows(GetLastError(), "cannot use the path '%s'", place->path);
	int error = open_and_check(place, path, &opened);
	free(path);
	return error ? error : os_file_take((intptr_t)opened, place->path, file);
}

int line_file_open_old(const char *path, struct os_file **file, uint64_t *size)
{
	BY_HANDLE_FILE_INFORMATION information;
	HANDLE opened = INVALID_HANDLE_VALUE;
	wchar_t *wide = wide_path(path);

	if (wide)
		opened = CreateFileW(wide, FILE_GENERIC_READ,
				     FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
				     OPEN_EXISTING,
				     FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
	DWORD error = GetLastError();
	free(wide);
	if (opened == INVALID_HANDLE_VALUE)
		return failure_errno(error);
	if (GetFileType(opened) != FILE_TYPE_DISK ||
	    !GetFileInformationByHandle(opened, &information) ||
	    information.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) {
		CloseHandle(opened);
		return EINVAL;
	}
	*size = (uint64_t)information.nFileSizeHigh << 32 | information.nFileSizeLow;
	return os_file_take((intptr_t)opened, path, file) ? ENOMEM : 0;
}

/* ---- the rest ---- */

bool line_file_is_full(int error)
{
	return error == ENOSPC;
}

int line_file_sync(const struct os_file *file)
{
	return FlushFileBuffers((HANDLE)os_file_handle(file)) ? 0 : failure_errno(GetLastError());
}

bool line_file_is_at(const struct os_file *file, const char *path)
{
	const DWORD all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	BY_HANDLE_FILE_INFORMATION named, opened;
	wchar_t *wide = wide_path(path);
	HANDLE handle = wide ? CreateFileW(wide, FILE_READ_ATTRIBUTES, all, NULL, OPEN_EXISTING,
					   FILE_FLAG_OPEN_REPARSE_POINT, NULL)
			     : INVALID_HANDLE_VALUE;

	free(wide);
	if (handle == INVALID_HANDLE_VALUE)
		return false;
	bool same = GetFileInformationByHandle(handle, &named) &&
		    GetFileInformationByHandle((HANDLE)os_file_handle(file), &opened) &&
		    named.dwVolumeSerialNumber == opened.dwVolumeSerialNumber &&
		    named.nFileIndexHigh == opened.nFileIndexHigh &&
		    named.nFileIndexLow == opened.nFileIndexLow;
	CloseHandle(handle);
	return same;
}

int line_file_rename(const char *path, const char *name)
{
	wchar_t *from = wide_path(path), *to = wide_path(name);
	DWORD error = ERROR_NOT_ENOUGH_MEMORY;

	if (from && to)
		error = MoveFileExW(from, to, 0) ? ERROR_SUCCESS : GetLastError();
	free(from);
	free(to);
	return error ? failure_errno(error) : 0;
}

int line_file_remove(const char *path)
{
	wchar_t *wide = wide_path(path);
	DWORD error = ERROR_NOT_ENOUGH_MEMORY;

	if (wide)
		error = DeleteFileW(wide) ? ERROR_SUCCESS : GetLastError();
	free(wide);
	return error ? failure_errno(error) : 0;
}

const char *line_file_name(const char *path)
{
	const char *name = path;

	for (; *path; path++)
		if (*path == '\\' || *path == '/')
			name = path + 1;
	return name;
}
