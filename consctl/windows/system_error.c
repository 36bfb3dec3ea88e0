/* SPDX-License-Identifier: MIT */
#include "system_error.h"
#include "../platform.h"
#include "failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Above every errno; codes of Windows have 16 bits. */
#define CODE_BASE 0x10000

/* ERROR_ELEVATION_REQUIRED, which older headers lack. */
#define ELEVATION_REQUIRED 740

int system_error_of(DWORD code)
{
	switch (code) {
	case ERROR_BROKEN_PIPE:
	case ERROR_NO_DATA:
	case ERROR_PIPE_NOT_CONNECTED:
		return EPIPE;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY:
		return ENOMEM;
	default:
		return CODE_BASE + (int)(code & 0xffff);
	}
}

DWORD system_error_code(int error)
{
	return error >= CODE_BASE ? (DWORD)(error - CODE_BASE) : 0;
}

/* Where the system's own sentence does not say what to do. */
static const char *own_text(DWORD code)
{
	switch (code) {
	case ERROR_BAD_EXE_FORMAT:
	case ERROR_EXE_MACHINE_TYPE_MISMATCH:
		return "it is no program that this Windows can run (a script is run as: cmd /c "
		       "SCRIPT)";
	case ELEVATION_REQUIRED:
		return "it wants the rights of an administrator: run consctl as one";
	default:
		return NULL;
	}
}

const char *platform_error_text(int error)
{
	static _Thread_local char text[512];
	DWORD code = system_error_code(error);
	const char *known = code ? own_text(code) : strerror(error);

	if (known)
		return known;
	failure_text(code, text, sizeof(text));
	if (!*text)
		snprintf(text, sizeof(text), "error %lu of Windows", code);
	return text;
}
