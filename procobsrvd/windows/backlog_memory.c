/* SPDX-License-Identifier: MIT */
#include "backlog.h"

#include <windows.h>

void *backlog_memory_open(size_t size)
{
	return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/* What it holds is worth nothing any more: the system takes the pages when it needs them. */
void backlog_memory_clear(void *memory, size_t size)
{
	VirtualAlloc(memory, size, MEM_RESET, PAGE_READWRITE);
}

void backlog_memory_close(void *memory, size_t size)
{
	(void)size;
	VirtualFree(memory, 0, MEM_RELEASE);
}
