/* SPDX-License-Identifier: MIT */
/* Arguments, text, identities and times on Windows. */
#include "../platform.h"
#include "own_arguments.h"
#include "console.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From 1601 to 1970, in the system's units of 100 ns. */
#define UNITS_TO_1970 116444736000000000ll

/* The runtime shall not look for files whose names match an argument: main() does not use what it
 * finds, and '*' has a meaning of its own in expressions. */
extern int _dowildcard;
int _dowildcard = 0;

static bool shows_color;

void platform_begin(int *count, char ***arguments)
{
	char **own = own_arguments(count);

	shows_color = console_take_colors();
	if (!own) {
		platform_say("consctl: out of memory for its arguments\n");
		exit(1);
	}
	*arguments = own;
}

void platform_say(const char *text)
{
	platform_file_write((intptr_t)GetStdHandle(STD_ERROR_HANDLE), text, strlen(text));
}

const char *const platform_demo_hint =
    "notepad.exe of Windows 11 may only start another program, which is closed by hand; name one "
    "that stays, as in 'consctl demo -- charmap.exe'";

char *const *platform_demo_program(void)
{
	static char program[] = "notepad.exe";
	static char *const arguments[] = {program, NULL};

	return arguments;
}

uint32_t platform_local_pid(const struct procobsrv_process *process)
{
	return process->pid;
}

bool platform_process_is(const struct procobsrv_process *process, uint32_t pid)
{
	return pid && process->pid == pid;
}

static bool local_time(int64_t time_ns, SYSTEMTIME *local)
{
	int64_t units = time_ns / 100 + UNITS_TO_1970;
	FILETIME file_time = {(DWORD)units, (DWORD)(units >> 32)};
	SYSTEMTIME utc;

	return FileTimeToSystemTime(&file_time, &utc) &&
	       SystemTimeToTzSpecificLocalTime(NULL, &utc, local);
}

void platform_short_time(int64_t time_ns, char *text, size_t size)
{
	SYSTEMTIME today;
	SYSTEMTIME then;

	GetLocalTime(&today);
	if (!local_time(time_ns, &then))
		snprintf(text, size, "?");
	else if (then.wYear == today.wYear && then.wMonth == today.wMonth &&
		 then.wDay == today.wDay)
		snprintf(text, size, "%02u:%02u:%02u", then.wHour, then.wMinute, then.wSecond);
	else
		snprintf(text, size, "%04u-%02u-%02u", then.wYear, then.wMonth, then.wDay);
}

bool platform_shows_utf8(void)
{
	/* A console gets UTF-16; whoever reads a pipe or a file goes by the code page. */
	return console_is(GetStdHandle(STD_OUTPUT_HANDLE)) || GetConsoleOutputCP() == CP_UTF8 ||
	       GetACP() == CP_UTF8;
}

bool platform_shows_color(void)
{
	return shows_color;
}
