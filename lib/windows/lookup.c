/* SPDX-License-Identifier: MIT */
#include "lookup.h"

#include <windows.h>

lookup_function lookup(const char *module, const char *name)
{
	HMODULE handle = GetModuleHandleA(module);

	return handle ? (lookup_function)GetProcAddress(handle, name) : NULL;
}
