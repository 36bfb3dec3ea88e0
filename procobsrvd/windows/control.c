/* SPDX-License-Identifier: MIT */
#include "control.h"

#include "event_log.h"
#include "failure.h"
#include "log.h"
#include "run.h"

/* What the service control manager allows for a start, and for an end. */
#define START_HINT_MS 30000
#define STOP_HINT_MS  15000
/* In a service's own numbers: it could not start, or ended by itself. */
#define FAILED_SERVICE 1

/* One of the two ways at a time; the handlers have nothing else to find it by. */
static struct run_control control;
static bool fine;

static bool make_events(const char *key)
{
	control.key = key;
	control.stop = CreateEventW(NULL, TRUE, FALSE, NULL);
	control.reload = CreateEventW(NULL, FALSE, FALSE, NULL);
	if (control.stop && control.reload)
		return true;
	error_set_windows(GetLastError(), "cannot make an event");
	service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
	return false;
}

/* ---- in the foreground ---- */

static BOOL WINAPI on_console(DWORD what)
{
	(void)what;
	SetEvent(control.stop);
	/* For the others of these the process is ended when this returns. */
	if (what != CTRL_C_EVENT && what != CTRL_BREAK_EVENT)
		Sleep(STOP_HINT_MS);
	return TRUE;
}

bool control_foreground(const char *key)
{
	if (!make_events(key))
		return false;
	SetConsoleCtrlHandler(on_console, TRUE);
	return !run_service(&control);
}

/* ---- as a service ---- */

static SERVICE_STATUS_HANDLE handle;

static void say(DWORD state, DWORD hint_ms, DWORD failure)
{
	SERVICE_STATUS status = {
	    .dwServiceType = SERVICE_WIN32_OWN_PROCESS,
	    .dwCurrentState = state,
	    .dwWin32ExitCode = failure ? ERROR_SERVICE_SPECIFIC_ERROR : NO_ERROR,
	    .dwServiceSpecificExitCode = failure,
	    .dwWaitHint = hint_ms,
	};

	if (state == SERVICE_RUNNING)
		status.dwControlsAccepted =
		    SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE;
	SetServiceStatus(handle, &status);
}

static void say_running(void)
{
	say(SERVICE_RUNNING, 0, 0);
}

static DWORD WINAPI on_control(DWORD what, DWORD type, void *data, void *param)
{
	(void)type;
	(void)data;
	(void)param;
	switch (what) {
	case SERVICE_CONTROL_STOP:
	case SERVICE_CONTROL_SHUTDOWN:
		say(SERVICE_STOP_PENDING, STOP_HINT_MS, 0);
		SetEvent(control.stop);
		return NO_ERROR;
	case SERVICE_CONTROL_PARAMCHANGE:
		SetEvent(control.reload);
		return NO_ERROR;
	case SERVICE_CONTROL_INTERROGATE:
		return NO_ERROR;
	default:
		return ERROR_CALL_NOT_IMPLEMENTED;
	}
}

static void WINAPI service_main(DWORD count, wchar_t **arguments)
{
	(void)count;
	(void)arguments;
	handle = RegisterServiceCtrlHandlerExW(CONTROL_NAME, on_control, NULL);
	if (!handle)
		return;
	say(SERVICE_START_PENDING, START_HINT_MS, 0);
	fine = !run_service(&control);
	say(SERVICE_STOPPED, 0, fine ? 0 : FAILED_SERVICE);
}

bool control_service(const char *key)
{
	SERVICE_TABLE_ENTRYW table[] = {{(wchar_t[]){CONTROL_NAME}, service_main}, {NULL, NULL}};

	event_log_open();
	control.ready = say_running;
	if (make_events(key) && !StartServiceCtrlDispatcherW(table)) {
		error_set_windows(GetLastError(),
				  "--service is for the service control manager (sc start "
				  "procobsrvd); \"procobsrvd --foreground\" runs it here");
		event_log_close();
		service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
	}
	event_log_close();
	return fine;
}
