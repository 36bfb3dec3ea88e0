/* SPDX-License-Identifier: MIT */
#include "driver_tests.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>

#define READY_EVENT L"ProcObsrvTestReaderReady"

bool reader_process_start(struct reader_process *reader, bool waits, unsigned pause_ms)
{
	wchar_t program[MAX_PATH];
	wchar_t command_line[2 * MAX_PATH];
	STARTUPINFOW startup = {.cb = sizeof(startup)};
	PROCESS_INFORMATION information;
	HANDLE ready = CreateEventW(NULL, TRUE, FALSE, READY_EVENT);
	bool good;

	GetModuleFileNameW(NULL, program, MAX_PATH);
	swprintf(command_line, 2 * MAX_PATH, L"\"%ls\" --reader %ls %u", program,
		 waits ? L"waits" : L"reads", pause_ms);
	reader->process = NULL;
	good = CreateProcessW(program, command_line, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
			      &information);
	if (good) {
		CloseHandle(information.hThread);
		reader->process = information.hProcess;
		good = WaitForSingleObject(ready, 60000) == WAIT_OBJECT_0;
	}
	CloseHandle(ready);
	return check(good, "the other reader did not start: error %lu", GetLastError());
}

void reader_process_kill(struct reader_process *reader)
{
	if (!reader->process)
		return;
	TerminateProcess(reader->process, 9);
	WaitForSingleObject(reader->process, 30000);
	CloseHandle(reader->process);
	reader->process = NULL;
}

int reader_process_main(int count, char **arguments)
{
	struct client client;
	HANDLE ready = OpenEventW(EVENT_MODIFY_STATE, FALSE, READY_EVENT);
	bool waits = count > 0 && arguments[0][0] == 'w';
	DWORD pause_ms = count > 1 ? (DWORD)atoi(arguments[1]) : 0;

	if (!ready || client_open(&client, 0) || client_activate(&client, IOCTL_ACTIVATE, NULL))
		return 1;
	if (waits)
		client_begin_read(&client);
	SetEvent(ready);
	while (waits)
		Sleep(1000);
	for (;;) {
		DWORD error = client_read(&client, 1000);

		if (error && error != WAIT_TIMEOUT)
			return 1;
		Sleep(pause_ms);
	}
}
