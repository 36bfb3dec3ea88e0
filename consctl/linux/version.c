/* SPDX-License-Identifier: MIT */
#include "../platform.h"

#include <bpf/libbpf.h>
#include <stdio.h>

bool platform_versions(char *text, size_t size)
{
	/* "v1.1" */
	snprintf(text, size, "libbpf %s", libbpf_version_string() + 1);
	return true;
}
