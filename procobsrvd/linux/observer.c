/* SPDX-License-Identifier: MIT */
#include "observer.h"

#include "error.h"
#include "resident.h"
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPTIONS_SIZE 160

static void path_of(const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", resident_directory(), name);
}

static void fill(const struct configuration_observer *observer, struct source_options *options)
{
	*options = (struct source_options){
	    .record_kinds = 1u << RECORD_START | 1u << RECORD_EXEC | 1u << RECORD_EXIT,
	    .kernel_threads = observer->kernel_threads,
	    .capture_env = observer->env != NULL,
	    .buffer_size = observer->buffer_size,
	    .max_args = observer->max_args ? observer->max_args : UINT64_MAX,
	};
	if (observer->kinds & PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED))
		options->record_kinds |= 1u << RECORD_EXEC_FAILED;
}

/* What is in the kernel does not tell its options: who put it there leaves a note, of this boot as
 * it is. The size of the ring is not in it: it stays whatever takes the observer's place. */
static void describe(const struct source_options *options, uint64_t stream, char text[OPTIONS_SIZE])
{
	snprintf(text, OPTIONS_SIZE,
		 "%" PRIu64 " %s kinds %x kernel-threads %d env %d max-args %" PRIu64 "\n", stream,
		 PROCOBSRV_VERSION_TEXT, options->record_kinds, options->kernel_threads,
		 options->capture_env, options->max_args);
}

static bool is_noted(const char *text)
{
	char path[PATH_MAX], noted[OPTIONS_SIZE] = "";

	path_of("observer", path);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t length = fread(noted, 1, sizeof(noted) - 1, file);
	fclose(file);
	noted[length] = '\0';
	return !strcmp(noted, text);
}

/* Without the note the observer is replaced once more at the next start, and nothing is lost. */
static void note(const struct source_options *options)
{
	struct resident_status *status = calloc(1, sizeof(*status));
	char path[PATH_MAX], text[OPTIONS_SIZE];

	if (!status || resident_status(status)) {
		free(status);
		return;
	}
	describe(options, status->stream, text);
	free(status);
	path_of("observer", path);
	FILE *file = fopen(path, "we");
	if (!file)
		return;
	fputs(text, file);
	fclose(file);
}

static int install(const struct source_options *options)
{
	int error = resident_install(options);

	if (error)
		return error;
	note(options);
	service_log(PRIORITY_NOTICE, "the resident observer is installed");
	return 0;
}

static int replace(const struct source_options *options, const struct resident_status *status)
{
	int error = resident_replace(options);

	if (error)
		return error;
	note(options);
	service_log(PRIORITY_NOTICE,
		    "the resident observer of version %s was replaced by one of version %s with "
		    "the options of the configuration",
		    status->version, PROCOBSRV_VERSION_TEXT);
	return 0;
}

static int adapt(const struct source_options *options, const struct resident_status *status)
{
	char wanted[OPTIONS_SIZE];

	if (status->holder)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "the resident observer is being read by %s (pid %" PRIu32
				 "): stop that one first",
				 *status->holder_name ? status->holder_name : "another process",
				 status->holder);
	describe(options, status->stream, wanted);
	if (status->record_version == RECORD_VERSION && is_noted(wanted))
		return 0;
	return replace(options, status);
}

int observer_prepare(const struct configuration_observer *observer, struct observer_choice *choice)
{
	static const char *const resident[] = {"auto", NULL};
	struct resident_status *status = calloc(1, sizeof(*status));
	struct source_options options;

	if (!status)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the observer");
	fill(observer, &options);
	int error = resident_status(status);
	if (!error && status->installed)
		error = adapt(&options, status);
	else if (!error)
		error = install(&options);
	*choice = (struct observer_choice){PROCOBSRV_RESIDENT | PROCOBSRV_ACKNOWLEDGE, resident};
	free(status);
	return error;
}

/* ---- one service at a time ---- */

static int complain_held(int descriptor)
{
	char text[16] = "";
	unsigned pid = 0;

	if (pread(descriptor, text, sizeof(text) - 1, 0) > 0)
		pid = (unsigned)strtoul(text, NULL, 10);
	return error_set(PROCOBSRV_ERROR_BUSY,
			 "procobsrvd runs already (pid %u): one service keeps the record of a "
			 "machine; stop that one first (systemctl stop procobsrvd)",
			 pid);
}

int observer_lock(intptr_t *lock)
{
	char path[PATH_MAX], text[16];

	if (mkdir(resident_directory(), 0700) && errno != EEXIST)
		return error_set_errno(errno, "cannot make %s (run as root)", resident_directory());
	path_of("procobsrvd", path);
	int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (descriptor < 0)
		return error_set_errno(errno, "cannot open %s (run as root)", path);
	if (flock(descriptor, LOCK_EX | LOCK_NB)) {
		int number = errno;
		int error = number == EWOULDBLOCK ? complain_held(descriptor)
						  : error_set_errno(number, "cannot lock %s", path);
		close(descriptor);
		return error;
	}
	int length = snprintf(text, sizeof(text), "%u\n", (unsigned)getpid());
	if (ftruncate(descriptor, 0) ||
	    pwrite(descriptor, text, (size_t)length, 0) != (ssize_t)length)
		service_log(PRIORITY_WARNING, "cannot write %s: %s", path, strerror(errno));
	*lock = descriptor;
	return 0;
}

void observer_unlock(intptr_t lock)
{
	if (lock != OBSERVER_UNLOCKED)
		close((int)lock);
}
