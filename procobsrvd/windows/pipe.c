/* SPDX-License-Identifier: MIT */
#include "pipe.h"

#include "rights.h"
#include "security.h"

#include <sddl.h>

/* Since Windows Vista; before that the access list alone keeps other machines out. */
#ifndef PIPE_REJECT_REMOTE_CLIENTS
#define PIPE_REJECT_REMOTE_CLIENTS 8
#endif

#define REQUESTS_SIZE 4096

/*
 * Nobody from the network; the system and administrators may do all; who has logged on may read and
 * write (FILE_GENERIC_READ and FILE_WRITE_DATA), but make no instances of it, and is then asked who
 * he is. Owner: the administrators, by which readers know that it is the service's.
 */
#define ACCESS L"O:BAD:P(D;;FA;;;NU)(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x12008b;;;AU)"

static HANDLE create(const wchar_t *name, DWORD open_flags, DWORD pipe_flags,
		     SECURITY_ATTRIBUTES *attributes)
{
	return CreateNamedPipeW(name, open_flags, pipe_flags, PIPE_UNLIMITED_INSTANCES,
				PIPE_BUFFER_SIZE, REQUESTS_SIZE, 0, attributes);
}

static HANDLE create_with(const wchar_t *name, bool first, SECURITY_ATTRIBUTES *attributes)
{
	DWORD open_flags =
	    PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0);
	DWORD pipe_flags = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT;
	HANDLE pipe = create(name, open_flags, pipe_flags | PIPE_REJECT_REMOTE_CLIENTS, attributes);

	if (pipe == INVALID_HANDLE_VALUE && GetLastError() == ERROR_INVALID_PARAMETER)
		pipe = create(name, open_flags, pipe_flags, attributes);
	return pipe;
}

HANDLE pipe_create(const wchar_t *name, bool first)
{
	struct security_private own;
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};

	/* Whoever runs it without their rights has readers of his own alone. */
	if (!rights_administrator())
		return security_private_init(&own) ? create_with(name, first, &own.attributes)
						   : INVALID_HANDLE_VALUE;
	if (!ConvertStringSecurityDescriptorToSecurityDescriptorW(
		ACCESS, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL))
		return INVALID_HANDLE_VALUE;
	HANDLE pipe = create_with(name, first, &attributes);
	DWORD error = GetLastError();
	LocalFree(attributes.lpSecurityDescriptor);
	SetLastError(error);
	return pipe;
}
