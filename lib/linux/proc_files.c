/* SPDX-License-Identifier: MIT */
#include "proc_files.h"

#include "proc_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NANOSECONDS 1000000000ll
#define READ_STEP   4096u

static pthread_once_t offset_once = PTHREAD_ONCE_INIT;
static int64_t boot_offset_ns;

/* /proc tells start times as the clock of the reader's time namespace has them. */
static void read_boot_offset(void)
{
	char text[256];
	long seconds, nanoseconds;
	int directory = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return;
	/* "monotonic 0 0\nboottime 0 0\n"; kernels before 5.6 have no such file */
	if (proc_read_text(directory, "timens_offsets", text, sizeof text) > 0) {
		const char *line = strstr(text, "boottime");
		if (line && sscanf(line, "boottime %ld %ld", &seconds, &nanoseconds) == 2)
			boot_offset_ns = seconds * NANOSECONDS + nanoseconds;
	}
	close(directory);
}

static int open_if_started_at(uint32_t pid, uint64_t start_ns)
{
	struct proc_process process = {0};
	int directory = proc_process_open(pid);

	if (directory < 0)
		return -1;
	if (proc_process_read_stat(directory, &process) &&
	    process.body.process.start_ns == start_ns / PROC_TICK_NS * PROC_TICK_NS)
		return directory;
	close(directory);
	return -1;
}

int proc_files_open(const struct record_identity *identity)
{
	pthread_once(&offset_once, read_boot_offset);
	uint64_t start_ns = identity->start_ns + (uint64_t)boot_offset_ns;
	int directory = open_if_started_at(identity->pid, start_ns);

	/* Seen from within its pid namespace it has another number; the start tells that it is it.
	 */
	if (directory < 0 && identity->ns_pid && identity->ns_pid != identity->pid)
		directory = open_if_started_at(identity->ns_pid, start_ns);
	return directory;
}

enum record_missing proc_files_read(int directory, const char *name, struct buffer *buffer,
				    uint64_t most)
{
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t begin = buffer->size;
	enum record_missing missing = RECORD_WHOLE;

	if (file < 0)
		return errno == ENOENT || errno == ESRCH ? RECORD_MISSING_TOO_LATE
							 : RECORD_MISSING_UNREADABLE;
	for (;;) {
		if (!buffer_reserve(buffer, READ_STEP)) {
			missing = RECORD_MISSING_TRUNCATED;
			break;
		}
		ssize_t got =
		    read(file, buffer->data + buffer->size, buffer->capacity - buffer->size);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			missing =
			    errno == ESRCH ? RECORD_MISSING_TOO_LATE : RECORD_MISSING_UNREADABLE;
		if (got <= 0)
			break;
		buffer->size += (size_t)got;
		if (buffer->size - begin > most) {
			buffer->size = begin + (size_t)most;
			missing = RECORD_MISSING_TRUNCATED;
			break;
		}
	}
	close(file);
	return missing;
}

enum record_missing proc_files_read_argv(const struct record_identity *identity,
					 struct buffer *buffer, uint64_t most)
{
	int directory = proc_files_open(identity);

	if (directory < 0)
		return RECORD_MISSING_TOO_LATE;
	enum record_missing missing = proc_files_read(directory, "cmdline", buffer, most);
	close(directory);
	return missing;
}
