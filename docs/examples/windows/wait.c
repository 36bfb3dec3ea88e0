/* SPDX-License-Identifier: MIT */
/* Windows: waits for events and for a program's end in a loop of its own: gcc wait.c -lprocobsrv */
#include <procobsrv.h>
#include <stdio.h>
#include <windows.h>

static void print_events(struct procobsrv *monitor)
{
	const struct procobsrv_event *event;
	char line[512];

	while (!procobsrv_next(monitor, 0, &event)) {
		procobsrv_format(event, PROCOBSRV_FORMAT_TEXT, line, sizeof(line));
		puts(line);
	}
}

int main(int count, char **arguments)
{
	struct procobsrv *monitor = NULL;
	STARTUPINFOA startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION program;

	if (procobsrv_open(NULL, &monitor) || procobsrv_start(monitor)) {
		fprintf(stderr, "%s\n", procobsrv_explain());
		procobsrv_close(monitor);
		return 1;
	}
	if (count < 2 || !CreateProcessA(NULL, arguments[1], NULL, NULL, FALSE, 0, NULL, NULL,
					 &startup, &program)) {
		fputs("usage: wait \"PROGRAM ARGUMENTS\"\n", stderr);
		procobsrv_close(monitor);
		return 1;
	}
	HANDLE sources[] = {program.hProcess, (HANDLE)procobsrv_descriptor(monitor)};

	while (WaitForMultipleObjects(2, sources, FALSE, INFINITE) == WAIT_OBJECT_0 + 1)
		print_events(monitor);
	procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN);
	print_events(monitor);
	procobsrv_close(monitor);
	CloseHandle(program.hThread);
	CloseHandle(program.hProcess);
	return 0;
}
