/* SPDX-License-Identifier: MIT */
#include "setup.h"

#include "configuration_registry.h"
#include "control.h"
#include "event_log.h"
#include "failure.h"
#include "wide.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>
#include <windows.h>

#define SHOWN_NAME  L"ProcObsrv service"
#define DESCRIPTION L"Observes every process that starts or ends, and lets others read along."
#define EVENT_KEY   L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" EVENT_LOG_SOURCE
/* Each of its messages 1 to 1000 is the text that was given, which is all that is needed. */
#define MESSAGE_FILE L"%SystemRoot%\\System32\\EventCreate.exe"
#define RIGHTS                                                                                     \
	(SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG | SERVICE_QUERY_STATUS | SERVICE_START |     \
	 SERVICE_STOP | DELETE)
#define STOP_WAIT_MS 30000
#define STOP_STEP_MS 20
#define PATH_COUNT   (32u << 10)

struct setup {
	SC_HANDLE manager;
	SC_HANDLE service; /* NULL: there is none */
	wchar_t command[PATH_COUNT + 16];
};

static int fail(const char *what)
{
	DWORD error = GetLastError();

	if (error == ERROR_ACCESS_DENIED)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "%s: services are for administrators to set up; run this as "
				 "administrator, from a command line that was opened so",
				 what);
	if (error == ERROR_SERVICE_MARKED_FOR_DELETE)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "%s: it is being removed, and some program still has it open: "
				 "close the Services window and other consoles, try again",
				 what);
	return error_set_windows(error, "%s", what);
}

/* ---- looking ---- */

static int check_command(const struct setup *setup)
{
	DWORD size = 0;

	QueryServiceConfigW(setup->service, NULL, 0, &size);
	QUERY_SERVICE_CONFIGW *found = malloc(size + sizeof(*found));
	if (!found)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the service");
	if (!QueryServiceConfigW(setup->service, found, size, &size)) {
		free(found);
		return fail("cannot look at the service procobsrvd");
	}
	bool own = !_wcsicmp(found->lpBinaryPathName, setup->command);
	char *other =
	    own ? NULL : wide_to_utf8(found->lpBinaryPathName, wcslen(found->lpBinaryPathName));
	free(found);
	if (own)
		return 0;
	int error =
	    error_set(PROCOBSRV_ERROR_STATE,
		      "there is a service named procobsrvd already, which runs another "
		      "program (%.300s): uninstall it with that one, or remove it with \"sc "
		      "delete procobsrvd\"; it is left as it is",
		      other ? other : "not known");
	free(other);
	return error;
}

/* *setup is to be closed whatever comes of it. */
static int look(struct setup *setup)
{
	wchar_t *path = malloc(PATH_COUNT * sizeof(*path));
	DWORD count = path ? GetModuleFileNameW(NULL, path, PATH_COUNT) : 0;

	if (count && count < PATH_COUNT)
		swprintf(setup->command, PATH_COUNT + 16, L"\"%ls\" --service", path);
	free(path);
	if (!*setup->command)
		return error_set(PROCOBSRV_ERROR_SYSTEM, "cannot tell where this program is");
	setup->manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
	if (!setup->manager)
		return fail("cannot open the list of services");
	setup->service = OpenServiceW(setup->manager, CONTROL_NAME, RIGHTS);
	if (setup->service)
		return check_command(setup);
	return GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST
		   ? 0
		   : fail("cannot open the service procobsrvd");
}

static void forget(struct setup *setup)
{
	if (setup->service)
		CloseServiceHandle(setup->service);
	if (setup->manager)
		CloseServiceHandle(setup->manager);
	free(setup);
}

/* ---- install ---- */

static void describe(const struct setup *setup)
{
	wchar_t text[] = DESCRIPTION;
	SERVICE_DESCRIPTIONW description = {text};
	/* It is started again when it has failed, in the end once a minute; a day later anew. */
	SC_ACTION actions[] = {
	    {SC_ACTION_RESTART, 1000}, {SC_ACTION_RESTART, 10000}, {SC_ACTION_RESTART, 60000}};
	SERVICE_FAILURE_ACTIONSW failure = {
	    .dwResetPeriod = 24 * 60 * 60, .cActions = 3, .lpsaActions = actions};

	/* Without either it runs all the same. */
	ChangeServiceConfig2W(setup->service, SERVICE_CONFIG_DESCRIPTION, &description);
	ChangeServiceConfig2W(setup->service, SERVICE_CONFIG_FAILURE_ACTIONS, &failure);
}

static void register_events(void)
{
	static const wchar_t file[] = MESSAGE_FILE;
	const DWORD types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
	HKEY key;

	if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, EVENT_KEY, 0, NULL, 0, KEY_SET_VALUE, NULL, &key,
			    NULL))
		return;
	RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ, (const BYTE *)file,
		       sizeof(file));
	RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, (const BYTE *)&types, sizeof(types));
	RegCloseKey(key);
}

/* A configuration that is there stays; the first one has readers, with all as it is initially. */
static int begin_configuration(void)
{
	DWORD disposition = 0;
	HKEY key = NULL, readers = NULL;
	LSTATUS error = RegCreateKeyExA(HKEY_LOCAL_MACHINE, CONFIGURATION_KEY, 0, NULL, 0,
					KEY_ALL_ACCESS, NULL, &key, &disposition);

	if (!error && disposition == REG_CREATED_NEW_KEY)
		error = RegCreateKeyExW(key, L"readers", 0, NULL, 0, KEY_SET_VALUE, NULL, &readers,
					NULL);
	if (readers)
		RegCloseKey(readers);
	if (key)
		RegCloseKey(key);
	return error ? error_set_windows((DWORD)error, "cannot make HKLM\\%s", CONFIGURATION_KEY)
		     : 0;
}

static int enter(struct setup *setup, bool on_demand)
{
	DWORD start = on_demand ? SERVICE_DEMAND_START : SERVICE_AUTO_START;

	if (!setup->service)
		setup->service = CreateServiceW(
		    setup->manager, CONTROL_NAME, SHOWN_NAME, RIGHTS, SERVICE_WIN32_OWN_PROCESS,
		    start, SERVICE_ERROR_NORMAL, setup->command, NULL, NULL, NULL, NULL, NULL);
	else if (!ChangeServiceConfigW(setup->service, SERVICE_NO_CHANGE, start, SERVICE_NO_CHANGE,
				       NULL, NULL, NULL, NULL, NULL, NULL, NULL))
		return fail("cannot change the service procobsrvd");
	if (!setup->service)
		return fail("cannot enter the service procobsrvd");
	describe(setup);
	register_events();
	return begin_configuration();
}

static struct setup *create(void)
{
	struct setup *setup = calloc(1, sizeof(*setup));

	if (!setup)
		error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the service");
	return setup;
}

int setup_install(bool on_demand)
{
	struct setup *setup = create();

	if (!setup)
		return PROCOBSRV_ERROR_MEMORY;
	int error = look(setup);
	if (!error)
		error = enter(setup, on_demand);
	forget(setup);
	return error;
}

/* ---- uninstall ---- */

static int stop(const struct setup *setup)
{
	SERVICE_STATUS status;

	if (!ControlService(setup->service, SERVICE_CONTROL_STOP, &status) &&
	    GetLastError() != ERROR_SERVICE_NOT_ACTIVE)
		return fail("cannot end the service procobsrvd");
	for (int waited = 0; waited < STOP_WAIT_MS; waited += STOP_STEP_MS) {
		if (!QueryServiceStatus(setup->service, &status))
			return fail("cannot look at the service procobsrvd");
		if (status.dwCurrentState == SERVICE_STOPPED)
			return 0;
		Sleep(STOP_STEP_MS);
	}
	return error_set(PROCOBSRV_ERROR_BUSY,
			 "the service procobsrvd does not end: look at the event log for why; end "
			 "its process, try again");
}

/* A key with those below it. */
static void remove_key(HKEY above, const wchar_t *name)
{
	wchar_t below[256];
	DWORD count = sizeof(below) / sizeof(*below);
	HKEY key;

	if (!RegOpenKeyExW(above, name, 0, KEY_ALL_ACCESS, &key)) {
		while (!RegEnumKeyExW(key, 0, below, &count, NULL, NULL, NULL, NULL)) {
			remove_key(key, below);
			count = sizeof(below) / sizeof(*below);
		}
		RegCloseKey(key);
	}
	RegDeleteKeyW(above, name);
}

static int leave(struct setup *setup)
{
	int error;

	if (!setup->service)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "there is no service procobsrvd: nothing is to be uninstalled");
	if ((error = stop(setup)))
		return error;
	if (!DeleteService(setup->service))
		return fail("cannot remove the service procobsrvd");
	wchar_t *configuration = wide_from_utf8(CONFIGURATION_KEY);
	if (configuration)
		remove_key(HKEY_LOCAL_MACHINE, configuration);
	free(configuration);
	remove_key(HKEY_LOCAL_MACHINE, EVENT_KEY);
	return 0;
}

int setup_uninstall(void)
{
	struct setup *setup = create();

	if (!setup)
		return PROCOBSRV_ERROR_MEMORY;
	int error = look(setup);
	if (!error)
		error = leave(setup);
	forget(setup);
	return error;
}
