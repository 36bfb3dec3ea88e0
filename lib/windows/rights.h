/* SPDX-License-Identifier: MIT */
/* Administrators: whether we are one, and objects that are theirs alone. */
#ifndef PROCOBSRV_LIB_WINDOWS_RIGHTS_H
#define PROCOBSRV_LIB_WINDOWS_RIGHTS_H

#include <stdbool.h>
#include <windows.h>

/* Attributes that give an object to administrators and the system, and to nobody else. */
struct rights_administrators {
	SECURITY_ATTRIBUTES attributes;
	PSECURITY_DESCRIPTOR descriptor; /* owned */
};

/* False: GetLastError() tells. */
bool rights_administrators_init(struct rights_administrators *rights);
void rights_administrators_free(struct rights_administrators *rights);

/* Whether this process acts as an administrator (not: whether its user could). */
bool rights_administrator(void);

/* Whether it is the group of the administrators, or the system. */
bool rights_is_administrators(PSID sid);

/* Puts such attributes on a directory that exists. 0 or an error of Windows. */
DWORD rights_give_to_administrators(const wchar_t *directory);
/* Whether a directory is theirs, and no link to another. */
bool rights_are_administrators(const wchar_t *directory);

#endif
