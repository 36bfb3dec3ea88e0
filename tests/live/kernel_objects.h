/* SPDX-License-Identifier: MIT */
/* What a process holds in the kernel's eBPF, read from its descriptors; what is still there. */
#ifndef PROCOBSRV_TESTS_LIVE_KERNEL_OBJECTS_H
#define PROCOBSRV_TESTS_LIVE_KERNEL_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KERNEL_OBJECTS_MAX 64u

struct kernel_objects {
	uint32_t programs[KERNEL_OBJECTS_MAX];
	uint32_t program_count;
	uint32_t maps[KERNEL_OBJECTS_MAX];
	uint32_t map_count;
	uint32_t links[KERNEL_OBJECTS_MAX];
	uint32_t link_count;
};

/* The programs, maps and links that the process holds open, and the maps of those programs. */
void kernel_objects_of(pid_t pid, struct kernel_objects *objects);
/* Waits until all of them have gone (the kernel frees them late); false: some stay. */
bool kernel_objects_gone(const struct kernel_objects *objects);
/* Where a program hangs that is not of fork, exec, exit or a new control group ("sys_exit", or the
 * type of its link); NULL: there is none. Valid until the next call. */
const char *kernel_objects_elsewhere(const struct kernel_objects *objects);

#endif
