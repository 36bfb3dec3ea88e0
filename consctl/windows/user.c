/* SPDX-License-Identifier: MIT */
/* Names of accounts. */
#include "../platform.h"
#include "wide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <sddl.h>

#define NAME_MAX_LENGTH 257 /* of an account, with its NUL (UNLEN) */

/* The account's name in UTF-8; the caller frees. NULL: it has none, or nobody knows. */
static char *account_of(const char *sid_text)
{
	wchar_t *wide = wide_from_utf8(sid_text);
	wchar_t name[NAME_MAX_LENGTH];
	wchar_t domain[NAME_MAX_LENGTH];
	DWORD name_length = NAME_MAX_LENGTH;
	DWORD domain_length = NAME_MAX_LENGTH;
	SID_NAME_USE use;
	char *account = NULL;
	PSID sid;

	if (wide && ConvertStringSidToSidW(wide, &sid)) {
		if (LookupAccountSidW(NULL, sid, name, &name_length, domain, &domain_length, &use))
			account = wide_to_utf8(name, name_length);
		LocalFree(sid);
	}
	free(wide);
	return account;
}

void platform_user_name(const struct procobsrv_process *process, char *text, size_t size)
{
	static char last_sid[192];
	static char last_name[64];

	if (!process->sid) {
		snprintf(text, size, "?");
		return;
	}
	/* Neighbours in a list mostly belong to the same user, and a domain's controller that is
	 * asked may be far away. */
	if (strcmp(last_sid, process->sid) != 0) {
		char *account = account_of(process->sid);

		snprintf(last_sid, sizeof(last_sid), "%s", process->sid);
		snprintf(last_name, sizeof(last_name), "%s", account ? account : process->sid);
		free(account);
	}
	snprintf(text, size, "%s", last_name);
}
