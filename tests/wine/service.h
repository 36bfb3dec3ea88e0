/* SPDX-License-Identifier: MIT */
/* Driver services, as the service control manager has them. */
#ifndef PROCOBSRV_TESTS_WINE_SERVICE_H
#define PROCOBSRV_TESTS_WINE_SERVICE_H

#include <windows.h>

#include <stdbool.h>

/*
 * Each returns 0 or the system's error. All are in one load order group: the drivers of a group
 * share a host process under Wine.
 */
DWORD service_create(const wchar_t *name, const wchar_t *path);
DWORD service_start(const wchar_t *name);
DWORD service_stop(const wchar_t *name); /* and waits until it has stopped */
DWORD service_delete(const wchar_t *name);

/* Stops and deletes it, if it is there. */
DWORD service_remove(const wchar_t *name);

/*
 * The path of a driver's file as a service has it; one of this machine's own is found on Wine's
 * drive Z:. The caller frees it; NULL: no memory.
 */
wchar_t *service_path(const char *path);

bool service_exists(const wchar_t *name);

#endif
