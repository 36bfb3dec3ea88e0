/* SPDX-License-Identifier: MIT */
#include "reader_lock.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int open_lock(const char *directory)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/reader", directory);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The file holds the pid of who locked it last. */
static uint32_t read_holder(int lock)
{
	char text[16] = "";
	unsigned pid = 0;

	if (pread(lock, text, sizeof text - 1, 0) > 0)
		sscanf(text, "%u", &pid);
	return pid;
}

static void name_of(uint32_t pid, char *name, size_t size)
{
	char path[64];

	name[0] = '\0';
	snprintf(path, sizeof path, "/proc/%u/comm", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(name, (int)size, file))
		name[strcspn(name, "\n")] = '\0';
	fclose(file);
}

int reader_lock_take(const char *directory, int *lock)
{
	char name[64], text[16];
	int descriptor = open_lock(directory);

	if (descriptor < 0)
		return error_set_errno(errno, "cannot open %s/reader (run as root)", directory);
	if (flock(descriptor, LOCK_EX | LOCK_NB)) {
		uint32_t pid = read_holder(descriptor);
		int error = errno;
		close(descriptor);
		if (error != EWOULDBLOCK)
			return error_set_errno(error, "cannot lock %s/reader", directory);
		name_of(pid, name, sizeof name);
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "the resident observer is being read by %s (pid %u): it has one "
				 "reader at a time; stop that one first, or watch without --resume",
				 *name ? name : "another process", pid);
	}
	int length = snprintf(text, sizeof text, "%u\n", (unsigned)getpid());
	if (ftruncate(descriptor, 0) || pwrite(descriptor, text, (size_t)length, 0) != length) {
		int error = errno;
		close(descriptor);
		return error_set_errno(error, "cannot write %s/reader", directory);
	}
	*lock = descriptor;
	return 0;
}

void reader_lock_release(int lock)
{
	if (lock < 0)
		return;
	/* A child that was forked a moment ago has it, too, until it runs its program. One that
	 * only closes its copy leaves us the lock. */
	if (read_holder(lock) == (uint32_t)getpid())
		flock(lock, LOCK_UN);
	close(lock);
}

void reader_lock_holder(const char *directory, uint32_t *pid, char *name, size_t size)
{
	int descriptor = open_lock(directory);

	*pid = 0;
	name[0] = '\0';
	if (descriptor < 0)
		return;
	if (flock(descriptor, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		*pid = read_holder(descriptor);
		name_of(*pid, name, size);
	}
	close(descriptor);
}
