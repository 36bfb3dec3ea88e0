/* SPDX-License-Identifier: MIT */
/*
 * What the console asks for, as requests. The console calls its handler on a thread of its own; it
 * only notes what was asked.
 */
#include "../platform.h"
#include "lookup.h"
#include "system_error.h"

#include <stdlib.h>
#include <windows.h>

/* Nothing tells that the reader of a pipe has gone but looking. */
#define LOOK_MS 500
/* As long as this after control_give_back(), a second request is a new one. */
#define PATIENCE_MS 1000

/* FilePipeLocalInformation, which the headers for programs lack. */
#define PIPE_LOCAL_INFORMATION 24
#define PIPE_CLOSING	       4

struct pipe_information {
	ULONG type, configuration, most_instances, instances, inbound_quota, readable,
	    outbound_quota, writable, state, end;
};

struct io_status {
	void *status;
	ULONG_PTR information;
};

typedef LONG(WINAPI *query_file)(HANDLE file, struct io_status *status, void *information,
				 ULONG size, ULONG which);

struct control {
	unsigned flags;
	query_file query;    /* NULL: nothing to look at */
	bool output_is_pipe; /* look whether its reader is still there */
};

/* The handler gets no pointer of ours, and may run while a control is closed. */
static HANDLE requested;
static volatile LONG given_back;
static volatile LONG given_back_ms;

static BOOL WINAPI on_request(DWORD type)
{
	bool leaves_us_no_choice = type != CTRL_C_EVENT && type != CTRL_BREAK_EVENT;

	if (given_back && !leaves_us_no_choice &&
	    GetTickCount() - (DWORD)given_back_ms >= PATIENCE_MS)
		return FALSE; /* the system's own handler ends the process */
	SetEvent(requested);
	/* When this returns, the system kills; some seconds later it does so anyway. Until then the
	 * main thread has time to finish, and ends this one with the process. */
	if (leaves_us_no_choice)
		Sleep(INFINITE);
	return TRUE;
}

int control_open(unsigned flags, struct control **control)
{
	struct control *made = calloc(1, sizeof(*made));

	if (!made)
		return system_error_of(ERROR_NOT_ENOUGH_MEMORY);
	made->flags = flags;
	made->query = (query_file)lookup("ntdll.dll", "NtQueryInformationFile");
	made->output_is_pipe =
	    made->query && GetFileType(GetStdHandle(STD_OUTPUT_HANDLE)) == FILE_TYPE_PIPE;
	if (!requested)
		requested = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (!requested || !SetConsoleCtrlHandler(on_request, TRUE)) {
		int error = system_error_of(GetLastError());

		free(made);
		return error;
	}
	*control = made;
	return 0;
}

static bool reader_has_gone(const struct control *control)
{
	struct pipe_information information = {0};
	struct io_status status;

	return control->query(GetStdHandle(STD_OUTPUT_HANDLE), &status, &information,
			      sizeof(information), PIPE_LOCAL_INFORMATION) >= 0 &&
	       information.state == PIPE_CLOSING;
}

/* Waits for one of the handles, at most until it is time to look at the pipe. */
static DWORD wait_a_while(const HANDLE *handles, DWORD count, bool look, int *left_ms)
{
	DWORD wait_ms = *left_ms < 0 ? INFINITE : (DWORD)*left_ms;

	if (look && wait_ms > LOOK_MS)
		wait_ms = LOOK_MS;
	if (*left_ms > 0)
		*left_ms -= (int)wait_ms;
	return WaitForMultipleObjects(count, handles, FALSE, wait_ms);
}

enum control_request control_wait(struct control *control, intptr_t handle, int timeout_ms)
{
	HANDLE handles[] = {requested, (HANDLE)handle};
	DWORD count = handle == -1 ? 1 : 2;
	int left_ms = timeout_ms;

	do {
		switch (wait_a_while(handles, count, control->output_is_pipe, &left_ms)) {
		case WAIT_OBJECT_0:
			return control->flags & CONTROL_FORWARDS ? CONTROL_FORWARD : CONTROL_END;
		case WAIT_OBJECT_0 + 1:
			return CONTROL_READY;
		default:
			break;
		}
		if (control->output_is_pipe && reader_has_gone(control)) {
			control->output_is_pipe = false;
			return CONTROL_UNREAD;
		}
	} while (left_ms);
	return CONTROL_TIMEOUT;
}

int control_signal(const struct control *control)
{
	/* The console asks every program on it. */
	(void)control;
	return 0;
}

void control_give_back(struct control *control)
{
	(void)control;
	given_back_ms = (LONG)GetTickCount();
	given_back = 1;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	SetConsoleCtrlHandler(on_request, FALSE);
	free(control);
}
