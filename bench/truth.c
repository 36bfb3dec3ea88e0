/* SPDX-License-Identifier: MIT */
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most that one padding argument takes, NUL included. */
#define PADDING_ARGUMENT_SIZE 65536u

size_t truth_padding_count(uint64_t args_size)
{
	return (size_t)((args_size + PADDING_ARGUMENT_SIZE - 1) / PADDING_ARGUMENT_SIZE);
}

size_t truth_padding_length(uint64_t args_size, size_t index)
{
	uint64_t rest = args_size - (uint64_t)index * PADDING_ARGUMENT_SIZE;

	return (size_t)(rest < PADDING_ARGUMENT_SIZE ? rest : PADDING_ARGUMENT_SIZE) - 1;
}

static int check(const char *path, const struct truth *truth)
{
	const struct truth_header *header = truth->header;
	uint64_t children = 0;

	if (truth->size < sizeof(*header) || header->magic != TRUTH_MAGIC) {
		fprintf(stderr, "%s: not a truth file\n", path);
		return -1;
	}
	if (header->version != TRUTH_VERSION) {
		fprintf(stderr, "%s: version %u, this program reads %u\n", path, header->version,
			(unsigned)TRUTH_VERSION);
		return -1;
	}
	if (truth->size != sizeof(*header) + header->worker_count * sizeof(*truth->workers) +
			       header->child_count * sizeof(*truth->children)) {
		fprintf(stderr, "%s: cut short\n", path);
		return -1;
	}
	for (uint32_t i = 0; i < header->worker_count; i++)
		children += ((const struct truth_worker *)(header + 1))[i].child_count;
	if (children != header->child_count) {
		fprintf(stderr, "%s: the workers' children do not add up\n", path);
		return -1;
	}
	return 0;
}

int truth_open(const char *path, struct truth *truth)
{
	struct stat status;
	struct truth mapped;
	void *memory;
	int file = open(path, O_RDONLY | O_CLOEXEC);

	if (file < 0 || fstat(file, &status) < 0 || status.st_size == 0) {
		fprintf(stderr, "%s: %s\n", path, file < 0 ? strerror(errno) : "empty");
		if (file >= 0)
			close(file);
		return -1;
	}
	memory = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	if (memory == MAP_FAILED) {
		fprintf(stderr, "%s: mmap: %s\n", path, strerror(errno));
		return -1;
	}

	mapped.header = memory;
	mapped.size = (size_t)status.st_size;
	mapped.workers = (const struct truth_worker *)(mapped.header + 1);
	mapped.children = NULL;
	if (check(path, &mapped) < 0) {
		munmap(memory, mapped.size);
		return -1;
	}
	mapped.children =
	    (const struct truth_child *)(mapped.workers + mapped.header->worker_count);
	*truth = mapped;
	return 0;
}

void truth_close(struct truth *truth)
{
	munmap((void *)(uintptr_t)truth->header, truth->size);
	*truth = (struct truth){0};
}
