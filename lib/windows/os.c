/* SPDX-License-Identifier: MIT */
/*
 * lib/os.h for Windows: threads, the wake object, terminals and names. Clocks and waits: clock.c;
 * files: file.c; errors: failure.c.
 */
#include "os.h"

#include "failure.h"
#include "lookup.h"
#include "process_list.h"
#include "wide.h"

#include <errno.h>
#include <io.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

/* Since Windows 10 1607. */
typedef HRESULT(WINAPI *describe_function)(HANDLE thread, PCWSTR description);

int os_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *param)
{
	describe_function describe =
	    (describe_function)lookup("kernel32.dll", "SetThreadDescription");
	int error = pthread_create(thread, NULL, run, param);
	wchar_t *wide;

	if (error || !describe)
		return error;
	wide = wide_from_utf8(name);
	if (wide)
		describe(pthread_gethandle(*thread), wide); /* for debuggers only: may fail */
	free(wide);
	return 0;
}

struct os_event {
	HANDLE handle;
};

struct os_event *os_event_create(void)
{
	struct os_event *event = malloc(sizeof(*event));

	if (!event) {
		errno = ENOMEM;
		return NULL;
	}
	event->handle = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!event->handle) {
		int error = failure_errno(GetLastError());

		free(event);
		errno = error;
		return NULL;
	}
	return event;
}

void os_event_set(struct os_event *event)
{
	SetEvent(event->handle);
}

void os_event_clear(struct os_event *event)
{
	ResetEvent(event->handle);
}

intptr_t os_event_handle(const struct os_event *event)
{
	return (intptr_t)event->handle;
}

void os_event_destroy(struct os_event *event)
{
	if (!event)
		return;
	CloseHandle(event->handle);
	free(event);
}

/*
 * When the first process that has a create time was created, since 1970: System, or where that has
 * none, smss. (The time of the boot as the system tells it moves whenever its clock is set.)
 */
static uint64_t first_create_ns(void)
{
	struct process_list list = {0};
	uint64_t first = 0;

	if (process_list_take(&list) == 0) {
		for (size_t i = 0; i < list.count; i++) {
			uint64_t start_ns = process_list_at(&list, i)->body.process.start_ns;

			if (start_ns && (!first || start_ns < first))
				first = start_ns;
		}
	}
	process_list_free(&list);
	return first;
}

bool os_boot_id(char text[37])
{
	uint64_t time = first_create_ns() / 100; /* its unit */

	if (!time)
		return false;
	/* What changes most comes first: it is in every id of a process. */
	snprintf(text, 37, "%08x-%04x-%04x-8000-000000000000", (unsigned)time,
		 (unsigned)(time >> 32 & 0xffff), (unsigned)(time >> 48));
	return true;
}

void os_host_name(char *text, size_t size)
{
	wchar_t wide[256];
	DWORD count = sizeof(wide) / sizeof(*wide);
	char *name = NULL;

	if (size == 0)
		return;
	if (GetComputerNameExW(ComputerNameDnsHostname, wide, &count))
		name = wide_to_utf8(wide, wcslen(wide));
	snprintf(text, size, "%s", name && *name ? name : "localhost");
	free(name);
}

uint64_t os_memory_bytes(void)
{
	MEMORYSTATUSEX status = {.dwLength = sizeof(status)};

	return GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

uint32_t os_process_id(void)
{
	return GetCurrentProcessId();
}

bool os_tty_name(uint32_t device, char *text, size_t size)
{
	(void)device; /* consoles have no numbers */
	(void)text;
	(void)size;
	return false;
}

static HANDLE console_of(FILE *file)
{
	int descriptor = _fileno(file);

	return descriptor < 0 ? INVALID_HANDLE_VALUE : (HANDLE)_get_osfhandle(descriptor);
}

bool os_is_terminal(FILE *file)
{
	DWORD mode;

	return GetConsoleMode(console_of(file), &mode);
}

unsigned os_terminal_columns(FILE *file)
{
	CONSOLE_SCREEN_BUFFER_INFO information;

	if (!os_is_terminal(file))
		return 0;
	if (!GetConsoleScreenBufferInfo(console_of(file), &information) ||
	    information.srWindow.Right < information.srWindow.Left)
		return 80; /* it can be read, but is none to write to */
	return (unsigned)(information.srWindow.Right - information.srWindow.Left) + 1;
}
