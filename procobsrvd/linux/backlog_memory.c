/* SPDX-License-Identifier: MIT */
#include "backlog.h"

#include <sys/mman.h>

void *backlog_memory_open(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	return memory;
}

void backlog_memory_clear(void *memory, size_t size)
{
	madvise(memory, size, MADV_DONTNEED);
}

void backlog_memory_close(void *memory, size_t size)
{
	munmap(memory, size);
}
