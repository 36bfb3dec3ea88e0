/* SPDX-License-Identifier: MIT */
#include "arena.h"

#include <sys/mman.h>

void *arena_memory_resize(void *data, size_t size, size_t new_size)
{
	void *resized;

	if (data)
		resized = mremap(data, size, new_size, MREMAP_MAYMOVE);
	else
		resized = mmap(NULL, new_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);
	return resized == MAP_FAILED ? NULL : resized;
}

void arena_memory_free(void *data, size_t size)
{
	munmap(data, size);
}
