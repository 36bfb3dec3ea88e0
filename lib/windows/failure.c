/* SPDX-License-Identifier: MIT */
#include "failure.h"

#include "os.h"
#include "wide.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* Of systems after NT 5.2, which the headers leave out for programs that load there. */
#ifndef ERROR_INVALID_IMAGE_HASH
#define ERROR_INVALID_IMAGE_HASH 577
#endif
#ifndef ERROR_ELEVATION_REQUIRED
#define ERROR_ELEVATION_REQUIRED 740
#endif
#ifndef ERROR_DISK_QUOTA_EXCEEDED
#define ERROR_DISK_QUOTA_EXCEEDED 1295
#endif

struct failure {
	DWORD error;
	const char *name;
	int code;    /* PROCOBSRV_ERROR_ */
	int nearest; /* errno */
};

#define FAILURE(name, code, nearest)                                                               \
	{                                                                                          \
		ERROR_##name, "ERROR_" #name, PROCOBSRV_ERROR_##code, nearest                      \
	}

static const struct failure failures[] = {
    FAILURE(INVALID_FUNCTION, UNSUPPORTED, ENOSYS),
    FAILURE(FILE_NOT_FOUND, NOT_FOUND, ENOENT),
    FAILURE(PATH_NOT_FOUND, NOT_FOUND, ENOENT),
    FAILURE(TOO_MANY_OPEN_FILES, SYSTEM, EMFILE),
    FAILURE(ACCESS_DENIED, PERMISSION, EACCES),
    FAILURE(INVALID_HANDLE, SYSTEM, EBADF),
    FAILURE(NOT_ENOUGH_MEMORY, MEMORY, ENOMEM),
    FAILURE(OUTOFMEMORY, MEMORY, ENOMEM),
    FAILURE(WRITE_PROTECT, PERMISSION, EROFS),
    FAILURE(NOT_READY, SYSTEM, EIO),
    FAILURE(SHARING_VIOLATION, BUSY, EBUSY),
    FAILURE(LOCK_VIOLATION, BUSY, EBUSY),
    FAILURE(HANDLE_EOF, SYSTEM, ENODATA),
    FAILURE(HANDLE_DISK_FULL, SYSTEM, ENOSPC),
    FAILURE(NOT_SUPPORTED, UNSUPPORTED, ENOSYS),
    FAILURE(BAD_NETPATH, NOT_FOUND, ENOENT),
    FAILURE(FILE_EXISTS, SYSTEM, EEXIST),
    FAILURE(INVALID_PARAMETER, SYSTEM, EINVAL),
    FAILURE(BROKEN_PIPE, SYSTEM, EPIPE),
    FAILURE(DISK_FULL, SYSTEM, ENOSPC),
    FAILURE(CALL_NOT_IMPLEMENTED, UNSUPPORTED, ENOSYS),
    FAILURE(SEM_TIMEOUT, TIMEOUT, ETIMEDOUT),
    FAILURE(INSUFFICIENT_BUFFER, SYSTEM, EINVAL),
    FAILURE(INVALID_NAME, NOT_FOUND, ENOENT),
    FAILURE(MOD_NOT_FOUND, NOT_FOUND, ENOENT),
    FAILURE(PROC_NOT_FOUND, UNSUPPORTED, ENOSYS),
    FAILURE(DIR_NOT_EMPTY, SYSTEM, ENOTEMPTY),
    FAILURE(BUSY, BUSY, EBUSY),
    FAILURE(ALREADY_EXISTS, SYSTEM, EEXIST),
    FAILURE(BAD_EXE_FORMAT, UNSUPPORTED, ENOEXEC),
    FAILURE(FILENAME_EXCED_RANGE, SYSTEM, ENAMETOOLONG),
    FAILURE(NO_DATA, SYSTEM, EPIPE),
    FAILURE(DIRECTORY, NOT_FOUND, ENOTDIR),
    FAILURE(DELETE_PENDING, NOT_FOUND, ENOENT),
    FAILURE(ELEVATION_REQUIRED, PERMISSION, EPERM),
    FAILURE(OPERATION_ABORTED, SYSTEM, EINTR),
    FAILURE(IO_DEVICE, SYSTEM, EIO),
    FAILURE(INVALID_IMAGE_HASH, UNSUPPORTED, ENOEXEC),
    FAILURE(SERVICE_REQUEST_TIMEOUT, TIMEOUT, ETIMEDOUT),
    FAILURE(SERVICE_ALREADY_RUNNING, BUSY, EBUSY),
    FAILURE(SERVICE_DISABLED, STATE, EPERM),
    FAILURE(SERVICE_DOES_NOT_EXIST, NOT_FOUND, ENOENT),
    FAILURE(SERVICE_CANNOT_ACCEPT_CTRL, BUSY, EBUSY),
    FAILURE(SERVICE_NOT_ACTIVE, STATE, ESRCH),
    FAILURE(SERVICE_MARKED_FOR_DELETE, BUSY, EBUSY),
    FAILURE(SERVICE_EXISTS, BUSY, EEXIST),
    FAILURE(SERVICE_NEVER_STARTED, STATE, ESRCH),
    FAILURE(DRIVER_BLOCKED, PERMISSION, EPERM),
    FAILURE(PRIVILEGE_NOT_HELD, PERMISSION, EPERM),
    FAILURE(LOGON_FAILURE, PERMISSION, EACCES),
    FAILURE(NO_SYSTEM_RESOURCES, MEMORY, ENOMEM),
    FAILURE(COMMITMENT_LIMIT, MEMORY, ENOMEM),
    FAILURE(DISK_QUOTA_EXCEEDED, SYSTEM, ENOSPC),
    FAILURE(TIMEOUT, TIMEOUT, ETIMEDOUT),
    FAILURE(FILE_CORRUPT, SYSTEM, EIO),
    FAILURE(CRC, SYSTEM, EIO),
};

static const struct failure *find(DWORD error)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(*failures); i++)
		if (failures[i].error == error)
			return &failures[i];
	return NULL;
}

int failure_errno(unsigned long error)
{
	const struct failure *failure = find(error);

	return failure ? failure->nearest : EIO;
}

const char *os_error_name(int error)
{
	const struct failure *failure = error ? find((DWORD)error) : NULL;

	return failure ? failure->name : NULL;
}

const char *os_error_text(int error)
{
	/* The C library has no words for those that came after it. */
	switch (error) {
	case ENODATA:
		return "The file ends before";
	case EBADMSG:
		return "Damaged data";
	case ETIMEDOUT:
		return "Timed out";
	default:
		return strerror(error);
	}
}

void failure_text(unsigned long error, char *text, size_t size)
{
	wchar_t wide[256];
	DWORD count = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
					 FORMAT_MESSAGE_MAX_WIDTH_MASK,
				     NULL, error, 0, wide, sizeof(wide) / sizeof(*wide), NULL);
	char *narrow;

	while (count > 0 && (wide[count - 1] <= L' ' || wide[count - 1] == L'.'))
		count--;
	narrow = wide_to_utf8(wide, count);
	snprintf(text, size, "%s", narrow ? narrow : "");
	free(narrow);
}

int error_set_windows(unsigned long error, const char *format, ...)
{
	const struct failure *failure = find(error);
	char what[ERROR_TEXT_SIZE], why[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	failure_text(error, why, sizeof(why));
	return error_set(failure ? failure->code : PROCOBSRV_ERROR_SYSTEM, "%s: %s%s%s%s%lu%s",
			 what, why, *why ? " (" : "", failure ? failure->name : "error",
			 failure ? ", " : " ", error, *why ? ")" : "");
}
