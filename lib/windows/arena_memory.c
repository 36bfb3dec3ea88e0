/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <string.h>
#include <windows.h>

void *arena_memory_resize(void *data, size_t size, size_t new_size)
{
	void *resized = VirtualAlloc(NULL, new_size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	if (!resized)
		return NULL;
	if (data) {
		memcpy(resized, data, size < new_size ? size : new_size);
		arena_memory_free(data, size);
	}
	return resized;
}

void arena_memory_free(void *data, size_t size)
{
	(void)size;
	VirtualFree(data, 0, MEM_RELEASE);
}
