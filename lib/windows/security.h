/* SPDX-License-Identifier: MIT */
/* Whose a file is. */
#ifndef PROCOBSRV_LIB_WINDOWS_SECURITY_H
#define PROCOBSRV_LIB_WINDOWS_SECURITY_H

#include <stdbool.h>
#include <windows.h>

/* Attributes that give an object to this user and to nobody else. Not to be copied. */
struct security_private {
	SECURITY_ATTRIBUTES attributes;
	SECURITY_DESCRIPTOR descriptor;
	union {
		TOKEN_USER token;
		char room[sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE];
	} user;
	union {
		ACL list;
		char room[sizeof(ACL) + sizeof(ACCESS_ALLOWED_ACE) + SECURITY_MAX_SID_SIZE];
	} access;
};

/* False: GetLastError() tells. */
bool security_private_init(struct security_private *security);

/* Whether it is the user that this process runs as. */
bool security_is_own(PSID sid);
/* That user's SID as text, which LocalFree() frees; NULL: GetLastError() tells. */
char *security_own_text(void);

/*
 * Whether an open file (with READ_CONTROL) is a plain one that belongs to this user, and that
 * nobody but the user and the system itself may read or write.
 */
bool security_is_private(HANDLE file);

#endif
