/* SPDX-License-Identifier: MIT */
#include "resident_linux.h"

#include "bpf_observer.h"
#include "disk_count.h"
#include "error.h"
#include "os.h"
#include "reader_lock.h"
#include "repeats.h"
#include "ring_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define BPFFS		"/sys/fs/bpf"
#define BPFFS_MAGIC	0xcafe4a11
#define PIN_DIRECTORY	BPFFS "/procobsrv"
#define NEW_DIRECTORY	BPFFS "/procobsrv-new" /* while it is replaced */
#define OLD_DIRECTORY	BPFFS "/procobsrv-old"
#define RUN_DIRECTORY	"/run/procobsrv"
#define SPILL_DIRECTORY "/var/lib/procobsrv"
#define MOUNTED_MARK	RUN_DIRECTORY "/mounted-bpffs"

/* Longer than two programs of one tracepoint are ever apart: see lib/repeats.c. */
#define OVERLAP_NS (2 * REPEATS_APART_NS)

/* For how long a status that does not add up is looked at again, and how often. */
#define LOOK_MOST_NS  3000000000u
#define LOOK_PAUSE_NS 2000000

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
	if (errno == EACCES || errno == EPERM)
		return error_set(PROCOBSRV_ERROR_PERMISSION, "cannot make %s: %s: run as root",
				 path, strerror(errno));
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
		return error_set(
		    PROCOBSRV_ERROR_BUSY,
		    "a resident observer is installed already: \"consctl status\" "
		    "tells of it, \"consctl install --replace\" puts this version in its "
		    "place, \"consctl uninstall\" removes it");
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

/*
 * The directory of the new one takes the name of the old one's, whose programs are called until its
 * links go with it. A replacement that was cut off leaves a directory that the next one removes.
 */
static int exchange_pins(const struct bpf_observer *observer)
{
	const struct timespec overlap = {.tv_nsec = OVERLAP_NS};
	int error;

	bpf_observer_unpin(NEW_DIRECTORY);
	bpf_observer_unpin(OLD_DIRECTORY);
	error = bpf_observer_pin(observer, NEW_DIRECTORY);
	if (error)
		return error;
	if (rename(PIN_DIRECTORY, OLD_DIRECTORY) || rename(NEW_DIRECTORY, PIN_DIRECTORY)) {
		error = error_set_errno(errno, "cannot put " NEW_DIRECTORY
					       " in the place of " PIN_DIRECTORY);
		if (access(PIN_DIRECTORY, F_OK))
			rename(OLD_DIRECTORY, PIN_DIRECTORY);
		char explanation[ERROR_TEXT_SIZE];
		error_save(explanation);
		bpf_observer_unpin(NEW_DIRECTORY);
		error_restore(explanation);
		return error;
	}
	bpf_observer_publish(observer);
	nanosleep(&overlap, NULL);
	return bpf_observer_unpin(OLD_DIRECTORY);
}

int resident_replace(const struct source_options *options)
{
	struct bpf_observer before, observer;
	int error = bpf_observer_open_pinned(PIN_DIRECTORY, &before);

	if (error)
		return error;
	error = bpf_observer_load_beside(options, &before, &observer);
	if (!error) {
		error = exchange_pins(&observer);
		bpf_observer_close(&observer, false);
	}
	bpf_observer_close(&before, false);
	return error;
}

int resident_uninstall(void)
{
	int lock = -1;

	if (access(PIN_DIRECTORY, F_OK)) {
		int error = errno;
		if (error != ENOENT)
			return error_set_errno(error,
					       "cannot look at " PIN_DIRECTORY " (run as root)");
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "no resident observer is installed on this machine");
	}
	int error = make_directory(RUN_DIRECTORY);
	if (!error)
		error = reader_lock_take(RUN_DIRECTORY, &lock);
	if (error)
		return error;
	bpf_observer_unpin(NEW_DIRECTORY);
	bpf_observer_unpin(OLD_DIRECTORY);
	error = bpf_observer_unpin(PIN_DIRECTORY);
	if (!error) {
		unmount_bpffs();
		remove_directories();
	}
	reader_lock_release(lock);
	return error;
}

/* ---- status ---- */

static uint64_t count_ring(struct ring_reader *reader)
{
	struct source_record records[64];
	uint64_t end = ring_reader_produced(reader), before, count = 0;

	do {
		before = reader->position;
		size_t taken = ring_reader_take(reader, end, records, 64);
		for (size_t i = 0; i < taken; i++)
			count += disk_count_is_event(records[i].data, records[i].size);
	} while (reader->position != before);
	return count;
}

static uint64_t sum_numbers(const struct source_statistics *statistics)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < statistics->sequence_count; i++)
		sum += statistics->sequences[i].number;
	return sum;
}

static uint64_t sum_lost(const struct source_statistics *statistics)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < statistics->sequence_count; i++)
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			sum += statistics->sequences[i].lost[kind];
	return sum;
}

/* Events may flow meanwhile: what was counted must lie between two looks at the kernel's numbers.
 */
static int look(const struct bpf_observer *observer, struct resident_status *status)
{
	struct source_statistics before = {0};
	struct ring_reader reader;
	int error;

	bpf_observer_counters(observer, &before);
	if ((error = ring_reader_open(&reader, observer->ring, observer->state->ring_size,
				      &observer->state->reader_waiting)))
		return error;
	uint64_t on_disk[RECORD_LOST_KINDS];
	error = disk_count(&before, reader.position, on_disk);
	if (error) {
		ring_reader_close(&reader, false);
		return error;
	}
	/* The last reader may have died before it gave back what is safe. */
	if (reader.position < before.acknowledged)
		reader.position = before.acknowledged;
	status->pending = count_ring(&reader);
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		status->pending += on_disk[kind];
	bpf_observer_counters(observer, &status->statistics);
	status->statistics.produced = ring_reader_produced(&reader);
	status->statistics.released = ring_reader_released(&reader);
	ring_reader_close(&reader, false);

	status->read = before.read;
	uint64_t known = status->read + status->pending;
	status->adds_up = known + sum_lost(&status->statistics) >= sum_numbers(&before) &&
			  known + sum_lost(&before) <= sum_numbers(&status->statistics);
	return 0;
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
	/* A reader that is at work may give back what is being counted: then once more. */
	uint64_t end = os_monotonic_ns() + LOOK_MOST_NS;
	error = look(&observer, status);
	while (!error && !status->adds_up && os_monotonic_ns() < end) {
		nanosleep(&(struct timespec){.tv_nsec = LOOK_PAUSE_NS}, NULL);
		error = look(&observer, status);
	}
	bpf_observer_close(&observer, false);
	return error;
}
