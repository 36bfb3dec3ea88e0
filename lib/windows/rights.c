/* SPDX-License-Identifier: MIT */
#include "rights.h"

#include <aclapi.h>
#include <sddl.h>

/* Owner: the administrators' group. Access for the system and that group, inherited from nowhere
 * and by what a directory will hold. */
#define ADMINISTRATORS_ONLY L"O:BAD:P(A;OICI;GA;;;SY)(A;OICI;GA;;;BA)"

bool rights_administrators_init(struct rights_administrators *rights)
{
	rights->attributes = (SECURITY_ATTRIBUTES){.nLength = sizeof(rights->attributes)};
	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
		ADMINISTRATORS_ONLY, SDDL_REVISION_1, &rights->descriptor, NULL))
		return false;
	rights->attributes.lpSecurityDescriptor = rights->descriptor;
	return true;
}

void rights_administrators_free(struct rights_administrators *rights)
{
	LocalFree(rights->descriptor);
}

bool rights_is_administrators(PSID sid)
{
	return IsWellKnownSid(sid, WinBuiltinAdministratorsSid) ||
	       IsWellKnownSid(sid, WinLocalSystemSid);
}

bool rights_administrator(void)
{
	char sid[SECURITY_MAX_SID_SIZE];
	DWORD size = sizeof(sid);
	BOOL member;

	return CreateWellKnownSid(WinBuiltinAdministratorsSid, NULL, sid, &size) &&
	       CheckTokenMembership(NULL, sid, &member) && member;
}

DWORD rights_give_to_administrators(const wchar_t *directory)
{
	struct rights_administrators rights;
	PACL access;
	PSID owner;
	BOOL present, defaulted;
	DWORD error;

	if (!rights_administrators_init(&rights))
		return GetLastError();
	if (GetSecurityDescriptorDacl(rights.descriptor, &present, &access, &defaulted) &&
	    GetSecurityDescriptorOwner(rights.descriptor, &owner, &defaulted))
		error =
		    SetNamedSecurityInfoW((wchar_t *)(uintptr_t)directory, SE_FILE_OBJECT,
					  OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
					      PROTECTED_DACL_SECURITY_INFORMATION,
					  owner, NULL, access, NULL);
	else
		error = GetLastError();
	rights_administrators_free(&rights);
	return error;
}

bool rights_are_administrators(const wchar_t *directory)
{
	PSECURITY_DESCRIPTOR descriptor = NULL;
	DWORD attributes = GetFileAttributesW(directory);
	PSID owner = NULL;
	bool theirs = false;

	if (attributes == INVALID_FILE_ATTRIBUTES || !(attributes & FILE_ATTRIBUTE_DIRECTORY) ||
	    attributes & FILE_ATTRIBUTE_REPARSE_POINT)
		return false;
	if (GetNamedSecurityInfoW((wchar_t *)(uintptr_t)directory, SE_FILE_OBJECT,
				  OWNER_SECURITY_INFORMATION, &owner, NULL, NULL, NULL,
				  &descriptor) == ERROR_SUCCESS)
		theirs = rights_is_administrators(owner);
	if (descriptor)
		LocalFree(descriptor);
	return theirs;
}
