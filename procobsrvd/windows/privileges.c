/* SPDX-License-Identifier: MIT */
#include "privileges.h"

#include "failure.h"

#include <stdlib.h>
#include <windows.h>

/* What is kept: to see what processes of others run; the driver's event and the lock of the service
 * are in the global namespace; to be told who a reader is; and what every process has. */
static const wchar_t *const kept[] = {L"SeDebugPrivilege", L"SeCreateGlobalPrivilege",
				      L"SeImpersonatePrivilege", L"SeChangeNotifyPrivilege"};

static bool is_kept(const LUID *privilege)
{
	for (size_t index = 0; index < sizeof(kept) / sizeof(kept[0]); index++) {
		LUID number;

		if (LookupPrivilegeValueW(NULL, kept[index], &number) &&
		    number.LowPart == privilege->LowPart && number.HighPart == privilege->HighPart)
			return true;
	}
	return false;
}

/* A privilege that was removed does not come back in this process, nor in those that it starts. */
static DWORD remove_others(HANDLE token)
{
	DWORD size = 0;
	DWORD error = ERROR_SUCCESS;

	GetTokenInformation(token, TokenPrivileges, NULL, 0, &size);
	TOKEN_PRIVILEGES *privileges = malloc(size + sizeof(*privileges));
	if (!privileges)
		return ERROR_NOT_ENOUGH_MEMORY;
	if (GetTokenInformation(token, TokenPrivileges, privileges, size, &size)) {
		for (DWORD index = 0; index < privileges->PrivilegeCount; index++)
			if (!is_kept(&privileges->Privileges[index].Luid))
				privileges->Privileges[index].Attributes = SE_PRIVILEGE_REMOVED;
		if (!AdjustTokenPrivileges(token, FALSE, privileges, 0, NULL, NULL))
			error = GetLastError();
	} else {
		error = GetLastError();
	}
	free(privileges);
	return error;
}

int privileges_drop(const struct configuration *configuration)
{
	HANDLE token;
	DWORD error = ERROR_SUCCESS;

	(void)configuration;
	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &token))
		return error_set_windows(GetLastError(), "cannot look at the service's privileges");
	error = remove_others(token);
	CloseHandle(token);
	return error ? error_set_windows(error, "cannot give privileges up") : 0;
}
