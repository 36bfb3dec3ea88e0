/* SPDX-License-Identifier: MIT */
#include "service.h"

#include <stdlib.h>
#include <wchar.h>

#define STOP_LIMIT_MS 60000
/* The one in which the library registers the driver. */
#define GROUP L"ProcObsrv"

static DWORD open_service(const wchar_t *name, SC_HANDLE *manager, SC_HANDLE *service)
{
	DWORD error;

	*manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	if (!*manager)
		return GetLastError();
	*service = OpenServiceW(*manager, name, SERVICE_ALL_ACCESS);
	if (*service)
		return 0;
	error = GetLastError();
	CloseServiceHandle(*manager);
	return error;
}

static void close_service(SC_HANDLE manager, SC_HANDLE service)
{
	CloseServiceHandle(service);
	CloseServiceHandle(manager);
}

DWORD service_create(const wchar_t *name, const wchar_t *path)
{
	SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
	SC_HANDLE service;
	DWORD error = 0;

	if (!manager)
		return GetLastError();
	service = CreateServiceW(manager, name, name, SERVICE_ALL_ACCESS, SERVICE_KERNEL_DRIVER,
				 SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, path, GROUP, NULL,
				 NULL, NULL, NULL);
	if (service)
		CloseServiceHandle(service);
	else
		error = GetLastError();
	CloseServiceHandle(manager);
	return error;
}

DWORD service_start(const wchar_t *name)
{
	SC_HANDLE manager, service;
	DWORD error = open_service(name, &manager, &service);

	if (error)
		return error;
	if (!StartServiceW(service, 0, NULL))
		error = GetLastError();
	close_service(manager, service);
	return error;
}

static bool has_stopped(SC_HANDLE service)
{
	SERVICE_STATUS status;

	return QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_STOPPED;
}

DWORD service_stop(const wchar_t *name)
{
	SC_HANDLE manager, service;
	SERVICE_STATUS status;
	DWORD error = open_service(name, &manager, &service);
	DWORD waited_ms = 0;

	if (error)
		return error;
	if (!ControlService(service, SERVICE_CONTROL_STOP, &status))
		error = GetLastError();
	while (!error && !has_stopped(service)) {
		if (waited_ms >= STOP_LIMIT_MS)
			error = ERROR_TIMEOUT;
		Sleep(10);
		waited_ms += 10;
	}
	close_service(manager, service);
	return error;
}

DWORD service_delete(const wchar_t *name)
{
	SC_HANDLE manager, service;
	DWORD error = open_service(name, &manager, &service);

	if (error)
		return error;
	if (!DeleteService(service))
		error = GetLastError();
	close_service(manager, service);
	return error;
}

DWORD service_remove(const wchar_t *name)
{
	if (!service_exists(name))
		return 0;
	service_stop(name);
	return service_delete(name);
}

bool service_exists(const wchar_t *name)
{
	SC_HANDLE manager, service;

	if (open_service(name, &manager, &service) != 0)
		return false;
	close_service(manager, service);
	return true;
}

wchar_t *service_path(const char *path)
{
	int length = MultiByteToWideChar(CP_ACP, 0, path, -1, NULL, 0);
	wchar_t *result = calloc((size_t)length + 2, sizeof(*result));
	wchar_t *rest = result;

	if (!result)
		return NULL;
	if (path[0] == '/') {
		wcscpy(result, L"Z:");
		rest += 2;
	}
	MultiByteToWideChar(CP_ACP, 0, path, -1, rest, length);
	for (; *rest; rest++)
		if (*rest == L'/')
			*rest = L'\\';
	return result;
}
