/* SPDX-License-Identifier: MIT */
#include "resident_linux.h"

#include "bpf_observer.h"
#include "error.h"
#include "os.h"
#include "reader_lock.h"
#include "ring_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPFFS		"/sys/fs/bpf"
#define BPFFS_MAGIC	0xcafe4a11
#define PIN_DIRECTORY	BPFFS "/procobsrv"
#define RUN_DIRECTORY	"/run/procobsrv"
#define SPILL_DIRECTORY "/var/lib/procobsrv"
#define MOUNTED_MARK	RUN_DIRECTORY "/mounted-bpffs"

const char *resident_directory(void)
{
	return RUN_DIRECTORY;
}

const char *resident_spill_directory(void)
{
	return SPILL_DIRECTORY;
}

const char *resident_pin_directory(void)
{
	return PIN_DIRECTORY;
}

static int make_directory(const char *path)
{
	if (!mkdir(path, 0700) || errno == EEXIST)
		return 0;
	return error_set_errno(errno, "cannot make %s", path);
}

static bool is_bpffs(void)
{
	struct statfs status;

	return !statfs(BPFFS, &status) && (uint32_t)status.f_type == BPFFS_MAGIC;
}

/* Whoever uninstalls undoes the mount, if it was ours. */
static int mount_bpffs(void)
{
	if (is_bpffs())
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return error_set_errno(errno, "cannot mount bpffs on " BPFFS);
	FILE *mark = fopen(MOUNTED_MARK, "we");
	if (mark)
		fclose(mark);
	return 0;
}

static void unmount_bpffs(void)
{
	if (!access(MOUNTED_MARK, F_OK) && !umount(BPFFS))
		unlink(MOUNTED_MARK);
}

/* Removes files that readers left, and the directory. */
static int remove_file(const char *path, void *param)
{
	(void)param;
	unlink(path);
	return 0;
}

static void remove_directories(void)
{
	os_directory_visit(RUN_DIRECTORY, "", remove_file, NULL);
	rmdir(RUN_DIRECTORY);
	os_directory_visit(SPILL_DIRECTORY, "procobsrv-", remove_file, NULL);
	rmdir(SPILL_DIRECTORY);
}

int resident_install(const struct source_options *options)
{
	struct bpf_observer observer;
	int error;

	if ((error = make_directory(RUN_DIRECTORY)) || (error = make_directory(SPILL_DIRECTORY)))
		return error;
	if (!access(PIN_DIRECTORY, F_OK))
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "a resident observer is installed already: \"consctl status\" "
				 "tells of it, \"consctl uninstall\" removes it");
	if ((error = mount_bpffs()))
		goto remove;
	if ((error = bpf_observer_load(options, &observer)))
		goto unmount;
	error = bpf_observer_pin(&observer, PIN_DIRECTORY);
	bpf_observer_close(&observer, false);
	if (!error)
		return 0;

	char explanation[ERROR_TEXT_SIZE];
unmount:
	error_save(explanation);
	unmount_bpffs();
	error_restore(explanation);
remove:
	error_save(explanation);
	remove_directories();
	error_restore(explanation);
	return error;
}

int resident_uninstall(void)
{
	int lock = -1;

	if (access(PIN_DIRECTORY, F_OK)) {
		int error = errno;
		if (error != ENOENT)
			return error_set_errno(error, "cannot look at " PIN_DIRECTORY);
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "no resident observer is installed on this machine");
	}
	int error = make_directory(RUN_DIRECTORY);
	if (!error)
		error = reader_lock_take(RUN_DIRECTORY, &lock);
	if (error)
		return error;
	error = bpf_observer_unpin(PIN_DIRECTORY);
	if (!error) {
		unmount_bpffs();
		remove_directories();
	}
	reader_lock_release(lock);
	return error;
}

static void fill_statistics(const struct bpf_observer *observer,
			    struct source_statistics *statistics)
{
	struct ring_reader reader;

	bpf_observer_counters(observer, statistics);
	if (ring_reader_open(&reader, observer->ring, observer->state->ring_size,
			     &observer->state->reader_waiting))
		return;
	statistics->produced = ring_reader_produced(&reader);
	statistics->released = ring_reader_released(&reader);
	ring_reader_close(&reader, false);
}

int resident_status(struct resident_status *status)
{
	struct bpf_observer observer;

	memset(status, 0, sizeof *status);
	int error = bpf_observer_open_pinned(PIN_DIRECTORY, &observer);
	if (error == PROCOBSRV_ERROR_NOT_FOUND)
		return 0;
	if (error)
		return error;

	const struct observer_state *state = observer.state;
	status->installed = true;
	snprintf(status->version, sizeof status->version, "%.*s", (int)sizeof state->version,
		 state->version);
	status->record_version = state->record_version;
	status->record_kinds = state->record_kinds;
	status->stream = state->generation;
	status->installed_ns = state->generation; /* it is the wall clock when it was loaded */
	reader_lock_holder(RUN_DIRECTORY, &status->holder, status->holder_name,
			   sizeof status->holder_name);
	fill_statistics(&observer, &status->statistics);
	bpf_observer_close(&observer, false);
	return 0;
}
