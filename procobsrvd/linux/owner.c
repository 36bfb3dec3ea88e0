/* SPDX-License-Identifier: MIT */
#include "owner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

/* The effective uid would show a user what another passed to a program with the setuid bit. */
uint32_t owner_of(const struct procobsrv_process *process)
{
	return process->present & PROCOBSRV_HAS_CREDENTIALS ? process->uid : OWNER_NOBODY;
}

/* The kernel gives /proc/PID to its user only if what it runs was passed by that user. */
uint32_t owner_of_image(const struct procobsrv_process *process)
{
	struct stat status;
	char path[32];

	snprintf(path, sizeof path, "/proc/%u", process->pid);
	if (stat(path, &status) || status.st_uid != owner_of(process))
		return OWNER_NOBODY;
	return status.st_uid;
}

/* It still runs what its creator runs. */
uint32_t owner_of_new_image(const struct procobsrv_process *process, uint32_t creator)
{
	(void)process;
	return creator;
}

bool owner_is_gone(uint32_t pid)
{
	return kill((pid_t)pid, 0) && errno == ESRCH;
}

void owner_text(uint32_t owner, char *text, size_t size)
{
	snprintf(text, size, "%u", owner);
}
