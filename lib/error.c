/* SPDX-License-Identifier: MIT */
#include "error.h"

#include "os.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char explanation[ERROR_TEXT_SIZE];

int error_set(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(explanation, sizeof explanation, format, arguments);
	va_end(arguments);
	return code;
}

static int code_of_errno(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
		return PROCOBSRV_ERROR_PERMISSION;
	case ENOMEM:
		return PROCOBSRV_ERROR_MEMORY;
	case ENOSYS:
	case EOPNOTSUPP:
		return PROCOBSRV_ERROR_UNSUPPORTED;
	case ENOENT:
		return PROCOBSRV_ERROR_NOT_FOUND;
	default:
		return PROCOBSRV_ERROR_SYSTEM;
	}
}

int error_set_errno(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(explanation, sizeof explanation, format, arguments);
	va_end(arguments);

	size_t length = strlen(explanation);
	snprintf(explanation + length, sizeof explanation - length, ": %s", os_error_text(error));
	return code_of_errno(error);
}

void error_save(char text[ERROR_TEXT_SIZE])
{
	memcpy(text, explanation, ERROR_TEXT_SIZE);
}

void error_restore(const char *text)
{
	snprintf(explanation, sizeof explanation, "%s", text);
}

const char *procobsrv_explain(void)
{
	return explanation;
}

const char *procobsrv_strerror(int error)
{
	switch (error) {
	case PROCOBSRV_OK:
		return "success";
	case PROCOBSRV_ERROR_ARGUMENT:
		return "invalid argument";
	case PROCOBSRV_ERROR_MEMORY:
		return "out of memory";
	case PROCOBSRV_ERROR_PERMISSION:
		return "permission denied";
	case PROCOBSRV_ERROR_UNSUPPORTED:
		return "not supported by this system";
	case PROCOBSRV_ERROR_SYSTEM:
		return "a system call failed";
	case PROCOBSRV_ERROR_STATE:
		return "not possible in this state";
	case PROCOBSRV_ERROR_TIMEOUT:
		return "nothing came in time";
	case PROCOBSRV_ERROR_ENDED:
		return "the monitor has ended";
	case PROCOBSRV_ERROR_EXPRESSION:
		return "the expression does not parse";
	case PROCOBSRV_ERROR_NOT_FOUND:
		return "not found";
	case PROCOBSRV_ERROR_BUSY:
		return "held by somebody else";
	case PROCOBSRV_ERROR_CORRUPT:
		return "damaged data";
	case PROCOBSRV_ERROR_VERSION:
		return "made by another version";
	default:
		return "unknown error";
	}
}

const char *procobsrv_version(void)
{
	return PROCOBSRV_VERSION_TEXT;
}
