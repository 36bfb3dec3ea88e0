/* SPDX-License-Identifier: MIT */
#include "service_values.h"

#include "failure.h"

#include <windows.h>

#define KEY	    L"SYSTEM\\CurrentControlSet\\Services\\ProcObsrv\\Parameters"
#define RING_SIZE   L"RingSize"
#define BASE	    L"ResidentBase"
#define BASE_STREAM L"ResidentStream"

static LSTATUS open_key(HKEY *key)
{
	return RegCreateKeyExW(HKEY_LOCAL_MACHINE, KEY, 0, NULL, 0, KEY_QUERY_VALUE | KEY_SET_VALUE,
			       NULL, key, NULL);
}

static LSTATUS set(HKEY key, const wchar_t *name, DWORD type, const void *value, DWORD size)
{
	return RegSetValueExW(key, name, 0, type, value, size);
}

void service_values_set_ring_size(uint64_t bytes)
{
	DWORD value = bytes > UINT32_MAX ? UINT32_MAX : (DWORD)bytes;
	HKEY key;

	if (open_key(&key))
		return;
	if (value)
		set(key, RING_SIZE, REG_DWORD, &value, sizeof(value));
	RegCloseKey(key);
}

int service_values_set_base(uint64_t stream, uint64_t base)
{
	HKEY key;
	LSTATUS error = open_key(&key);

	if (!error) {
		error = set(key, BASE, REG_QWORD, &base, sizeof(base));
		if (!error)
			error = set(key, BASE_STREAM, REG_QWORD, &stream, sizeof(stream));
		RegCloseKey(key);
	}
	return error ? error_set_windows((unsigned long)error,
					 "cannot note in the registry where the residence begins")
		     : 0;
}

static bool get(HKEY key, const wchar_t *name, uint64_t *value)
{
	DWORD type, size = sizeof(*value);

	return !RegQueryValueExW(key, name, NULL, &type, (BYTE *)value, &size) &&
	       type == REG_QWORD && size == sizeof(*value);
}

uint64_t service_values_base(uint64_t stream)
{
	uint64_t kept_stream, base;
	bool kept;
	HKEY key;

	if (RegOpenKeyExW(HKEY_LOCAL_MACHINE, KEY, 0, KEY_QUERY_VALUE, &key))
		return 0;
	kept =
	    get(key, BASE, &base) && get(key, BASE_STREAM, &kept_stream) && kept_stream == stream;
	RegCloseKey(key);
	return kept ? base : 0;
}

void service_values_remove(void)
{
	RegDeleteKeyW(HKEY_LOCAL_MACHINE, KEY);
}
