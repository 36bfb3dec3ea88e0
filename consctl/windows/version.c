/* SPDX-License-Identifier: MIT */
#include "../platform.h"

#include <stdio.h>
#include <windows.h>

bool platform_versions(char *text, size_t size)
{
#if defined(__x86_64__)
	static const char machine[] = "x64";
#elif defined(__i386__)
	static const char machine[] = "32-bit x86";
#else
#error "a processor that there is no driver for"
#endif

	snprintf(text, size, "for Windows on %s, mingw-w64 %s", machine, __MINGW64_VERSION_STR);
	return true;
}
