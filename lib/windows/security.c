/* SPDX-License-Identifier: MIT */
#include "security.h"

#include <aclapi.h>
#include <sddl.h>

/* The user that the calling process runs as, into a buffer for TOKEN_USER and its SID. */
static bool read_user(void *user, DWORD size)
{
	HANDLE token;
	bool done;
	DWORD error;

	if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token))
		return false;
	done = GetTokenInformation(token, TokenUser, user, size, &size);
	error = GetLastError();
	CloseHandle(token);
	SetLastError(error);
	return done;
}

bool security_private_init(struct security_private *security)
{
	PSID user;

	ZeroMemory(security, sizeof(*security));
	if (!read_user(&security->user, sizeof(security->user)))
		return false;
	user = security->user.token.User.Sid;
	security->attributes.nLength = sizeof(security->attributes);
	security->attributes.lpSecurityDescriptor = &security->descriptor;
	/* The owner is named: for an administrator it would be the group of them. */
	return InitializeAcl(&security->access.list, sizeof(security->access), ACL_REVISION) &&
	       AddAccessAllowedAce(&security->access.list, ACL_REVISION, FILE_ALL_ACCESS, user) &&
	       InitializeSecurityDescriptor(&security->descriptor, SECURITY_DESCRIPTOR_REVISION) &&
	       SetSecurityDescriptorOwner(&security->descriptor, user, FALSE) &&
	       SetSecurityDescriptorDacl(&security->descriptor, TRUE, &security->access.list,
					 FALSE) &&
	       SetSecurityDescriptorControl(&security->descriptor, SE_DACL_PROTECTED,
					    SE_DACL_PROTECTED);
}

/* A user and the SID that it points to. */
union user {
	TOKEN_USER token;
	char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
};

char *security_own_text(void)
{
	union user user;
	char *text;

	return read_user(&user, sizeof(user)) && ConvertSidToStringSidA(user.token.User.Sid, &text)
		   ? text
		   : NULL;
}

bool security_is_own(PSID sid)
{
	union user user;

	return read_user(&user, sizeof(user)) && EqualSid(sid, user.token.User.Sid);
}

static bool is_plain(HANDLE file)
{
	BY_HANDLE_FILE_INFORMATION information;

	return GetFileType(file) == FILE_TYPE_DISK &&
	       GetFileInformationByHandle(file, &information) &&
	       !(information.dwFileAttributes &
		 (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT)) &&
	       information.nNumberOfLinks == 1;
}

/* An entry that lets in nobody but the user and the system, who needs no permission. */
static bool is_harmless(const ACE_HEADER *entry, PSID user)
{
	const ACCESS_ALLOWED_ACE *allowed = (const ACCESS_ALLOWED_ACE *)entry;
	PSID subject = (PSID)(UINT_PTR)&allowed->SidStart;

	if (entry->AceType == ACCESS_DENIED_ACE_TYPE)
		return true;
	if (entry->AceType != ACCESS_ALLOWED_ACE_TYPE)
		return false;
	return allowed->Mask == 0 || EqualSid(subject, user) ||
	       IsWellKnownSid(subject, WinLocalSystemSid);
}

bool security_is_private(HANDLE file)
{
	struct security_private self;
	PSECURITY_DESCRIPTOR descriptor = NULL;
	PSID owner = NULL, user;
	PACL list = NULL;
	bool private;

	if (!is_plain(file) || !read_user(&self.user, sizeof(self.user)) ||
	    GetSecurityInfo(file, SE_FILE_OBJECT,
			    OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION, &owner, NULL,
			    &list, NULL, &descriptor) != ERROR_SUCCESS)
		return false;
	user = self.user.token.User.Sid;
	private = owner && EqualSid(owner, user) && list; /* without a list everybody may */
	for (DWORD i = 0; private && i < list->AceCount; i++) {
		void *entry;

		private = GetAce(list, i, &entry) && is_harmless(entry, user);
	}
	LocalFree(descriptor);
	return private;
}
