/* SPDX-License-Identifier: MIT */
/* What doctor looks at on Windows: the driver, its service, and who may load it. */
#include "check.h"
#include "machine.h"
#include "observer/windows/ioctl.h"
#include "system_error.h"
#include "wide.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_administrator(void)
{
	SID_IDENTIFIER_AUTHORITY authority = {SECURITY_NT_AUTHORITY};
	BOOL member = FALSE;
	PSID group;

	if (!AllocateAndInitializeSid(&authority, 2, SECURITY_BUILTIN_DOMAIN_RID,
				      DOMAIN_ALIAS_RID_ADMINS, 0, 0, 0, 0, 0, 0, &group))
		return false;
	if (!CheckTokenMembership(NULL, group, &member))
		member = FALSE;
	FreeSid(group);
	return member;
}

/* Whether an administrator's program runs with half of its rights, as they do unless asked. */
static bool could_be_elevated(void)
{
	TOKEN_ELEVATION_TYPE type = TokenElevationTypeDefault;
	DWORD size;
	HANDLE token;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return false;
	if (!GetTokenInformation(token, TokenElevationType, &type, sizeof(type), &size))
		type = TokenElevationTypeDefault;
	CloseHandle(token);
	return type == TokenElevationTypeLimited;
}

void check_rights(struct check_list *list)
{
	if (is_administrator())
		check_add(list, "administrator", CHECK_GOOD, "yes");
	else if (could_be_elevated())
		check_note(
		    check_add(list, "administrator", CHECK_BAD, "yes, but not elevated"),
		    "start consctl from a prompt that was opened with 'Run as administrator'");
	else
		check_note(check_add(list, "administrator", CHECK_BAD, "no"),
			   "loading the driver takes one");
}

/* The driver's path beside this program; the caller frees. NULL: not known. */
static wchar_t *driver_path(void)
{
	static const wchar_t name[] = PROCOBSRV_DRIVER_FILE;
	const DWORD most = 32768; /* the longest path there is */
	wchar_t *path = malloc((most + sizeof(name) / sizeof(*name)) * sizeof(*path));
	DWORD length = path ? GetModuleFileNameW(NULL, path, most) : 0;

	if (!length || length == most) {
		free(path);
		return NULL;
	}
	while (length && path[length - 1] != L'\\')
		length--;
	wcscpy(path + length, name);
	return path;
}

static void describe_driver(struct check_list *list, const wchar_t *path, const char *name)
{
	USHORT kernel = machine_of_kernel();
	USHORT machine;
	bool is_signed;
	struct check *check;
	char text[160];

	if (!machine_of_file(path, &machine, &is_signed)) {
		DWORD code = GetLastError();
		bool missing = code == ERROR_FILE_NOT_FOUND;

		check = check_add(list, "driver", CHECK_BAD,
				  missing ? "ProcObsrv.sys is not beside consctl.exe" : name);
		check_note(check, missing ? "put it there: both come in one archive"
				  : code == ERROR_BAD_EXE_FORMAT
				      ? "it is no driver"
				      : platform_error_text(system_error_of(code)));
		return;
	}
	if (machine != kernel) {
		snprintf(text, sizeof(text), "built for %s, this is %s", machine_name(machine),
			 machine_name(kernel));
		check_note(check_add(list, "driver", CHECK_BAD, text), name);
		return;
	}
	check = check_add(list, "driver", CHECK_GOOD, name);
	check_note(check, is_signed ? "signed; whether by whom it must be, Windows says when it is "
				      "loaded"
				    : "not signed");
}

void check_driver_file(struct check_list *list)
{
	wchar_t *path = driver_path();
	char *name = path ? wide_to_utf8(path, wcslen(path)) : NULL;

	if (name)
		describe_driver(list, path, name);
	free(name);
	free(path);
}

static void describe_service(struct check_list *list, DWORD state)
{
	switch (state) {
	case SERVICE_STOPPED:
		check_add(list, "service", CHECK_NEUTRAL, "registered, not loaded");
		break;
	case SERVICE_STOP_PENDING:
		check_note(
		    check_add(list, "service", CHECK_BAD, "is to stop, but somebody uses it"),
		    "end the programs that have the driver open; until then it cannot be "
		    "started again");
		break;
	default:
		check_add(list, "service", CHECK_GOOD, "registered and loaded");
		break;
	}
}

void check_service(struct check_list *list)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT);
	SC_HANDLE service =
	    manager ? OpenServiceW(manager, PROCOBSRV_SERVICE_NAME, SERVICE_QUERY_STATUS) : NULL;
	DWORD code = GetLastError();
	SERVICE_STATUS status;

	if (service && QueryServiceStatus(service, &status))
		describe_service(list, status.dwCurrentState);
	else if (code == ERROR_SERVICE_DOES_NOT_EXIST)
		check_add(list, "service", CHECK_NEUTRAL, "not registered");
	else
		check_add(list, "service", CHECK_NEUTRAL, "not told to this user");
	if (service)
		CloseServiceHandle(service);
	if (manager)
		CloseServiceHandle(manager);
}
