/* SPDX-License-Identifier: MIT */
#include "peer.h"

#include "lookup.h"
#include "owner_name.h"
#include "wide.h"

#include <stdlib.h>

union user {
	TOKEN_USER user;
	char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
};

/* Since Windows Vista. */
typedef BOOL(WINAPI *process_function)(HANDLE pipe, PULONG process);
/* Linked to, it may come from a library that has it on newer systems alone. */
typedef BOOL(WINAPI *token_function)(HANDLE thread, DWORD access, BOOL as_self, PHANDLE token);

static uint32_t process_of(HANDLE pipe)
{
	process_function ask =
	    (process_function)lookup("kernel32.dll", "GetNamedPipeClientProcessId");
	ULONG process;

	return ask && ask(pipe, &process) ? (uint32_t)process : 0;
}

/* Its token; the thread is itself again afterwards, or the service has no business to go on. */
static HANDLE token_of(HANDLE pipe)
{
	token_function open_token = (token_function)lookup("advapi32.dll", "OpenThreadToken");
	HANDLE token = NULL;

	if (!open_token || !ImpersonateNamedPipeClient(pipe))
		return NULL;
	if (!open_token(GetCurrentThread(), TOKEN_QUERY, TRUE, &token))
		token = NULL;
	if (!RevertToSelf())
		abort();
	return token;
}

bool peer_identify(HANDLE pipe, struct peer *peer)
{
	union user user;
	DWORD size;
	HANDLE token = token_of(pipe);

	if (!token || !GetTokenInformation(token, TokenUser, &user, sizeof(user), &size)) {
		if (token)
			CloseHandle(token);
		return false;
	}
	*peer = (struct peer){
	    .token = token,
	    .owner = owner_of_sid(user.user.User.Sid),
	    .process = process_of(pipe),
	};
	return true;
}

void peer_forget(struct peer *peer)
{
	if (peer->token)
		CloseHandle(peer->token);
	peer->token = NULL;
}

static bool is_system(HANDLE token)
{
	union user user;
	DWORD size;

	return GetTokenInformation(token, TokenUser, &user, sizeof(user), &size) &&
	       IsWellKnownSid(user.user.User.Sid, WinLocalSystemSid);
}

static bool is_well_known_member(HANDLE token, WELL_KNOWN_SID_TYPE type)
{
	char sid[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(sid);
	BOOL member;

	return CreateWellKnownSid(type, NULL, sid, &size) &&
	       CheckTokenMembership(token, sid, &member) && member;
}

/* A name is a group's of this machine: users and other machines' groups do not count. */
static bool is_member(HANDLE token, const wchar_t *group)
{
	char sid[SECURITY_MAX_SID_SIZE];
	wchar_t domain[256];
	DWORD size = sizeof(sid), domain_count = sizeof(domain) / sizeof(*domain);
	SID_NAME_USE use;
	BOOL member;

	return LookupAccountNameW(NULL, group, sid, &size, domain, &domain_count, &use) &&
	       use == SidTypeAlias && CheckTokenMembership(token, sid, &member) && member;
}

bool peer_is_privileged(const struct peer *peer, const char *group)
{
	if (is_system(peer->token) ||
	    is_well_known_member(peer->token, WinBuiltinAdministratorsSid))
		return true;
	wchar_t *wide = group ? wide_from_utf8(group) : NULL;
	bool member = wide && is_member(peer->token, wide);
	free(wide);
	return member;
}
