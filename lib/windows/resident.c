/* SPDX-License-Identifier: MIT */
/*
 * lib/resident.h for Windows: the driver, installed and told to monitor without any client. It does
 * so until it is uninstalled or Windows restarts.
 */
#include "resident.h"

#include "disk_count.h"
#include "driver_join.h"
#include "failure.h"
#include "os.h"
#include "rights.h"
#include "service.h"
#include "service_file.h"
#include "service_values.h"
#include "setup_lock.h"
#include "wide.h"

#include <pthread.h>
#include <shlobj.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIRECTORY	"\\ProcObsrv"
#define SPILL_DIRECTORY DIRECTORY "\\spill"

/* ---- directories ---- */

static char directory[4 * MAX_PATH];
static char spill_directory[4 * MAX_PATH + sizeof(SPILL_DIRECTORY)];

static void find_directories(void)
{
	wchar_t wide[MAX_PATH];
	char *common = NULL;

	if (SHGetFolderPathW(NULL, CSIDL_COMMON_APPDATA, NULL, SHGFP_TYPE_CURRENT, wide) == S_OK)
		common = wide_to_utf8(wide, wcslen(wide));
	snprintf(directory, sizeof(directory), "%s" DIRECTORY, common ? common : "C:\\ProgramData");
	snprintf(spill_directory, sizeof(spill_directory), "%s" SPILL_DIRECTORY,
		 common ? common : "C:\\ProgramData");
	free(common);
}

static pthread_once_t directories_once = PTHREAD_ONCE_INIT;

const char *resident_directory(void)
{
	pthread_once(&directories_once, find_directories);
	return directory;
}

const char *resident_spill_directory(void)
{
	pthread_once(&directories_once, find_directories);
	return spill_directory;
}

/* Anybody may make directories there: one that is there already may be a trap. */
static int make_directory(const char *path)
{
	struct rights_administrators rights;
	wchar_t *wide = wide_path(path);
	DWORD error = ERROR_NOT_ENOUGH_MEMORY;

	if (wide && rights_administrators_init(&rights)) {
		error = CreateDirectoryW(wide, &rights.attributes) ? 0 : GetLastError();
		rights_administrators_free(&rights);
	}
	if (error == ERROR_ALREADY_EXISTS)
		error = rights_are_administrators(wide) ? rights_give_to_administrators(wide)
							: ERROR_INVALID_OWNER;
	free(wide);
	if (error == ERROR_INVALID_OWNER)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "%s is there already and belongs to no administrator: look who "
				 "made it, remove it, try again",
				 path);
	return error ? error_set_windows(error, "cannot make %s", path) : 0;
}

static int make_directories(void)
{
	int error = make_directory(resident_directory());

	return error ? error : make_directory(resident_spill_directory());
}

static int remove_file(const char *path, void *param)
{
	wchar_t *wide = wide_path(path);

	(void)param;
	if (wide)
		DeleteFileW(wide);
	free(wide);
	return 0;
}

static void remove_directory(const char *path, const char *prefix)
{
	wchar_t *wide = wide_path(path);

	os_directory_visit(path, prefix, remove_file, NULL);
	if (wide)
		RemoveDirectoryW(wide);
	free(wide);
}

static void remove_directories(void)
{
	remove_directory(resident_spill_directory(), "procobsrv-");
	remove_directory(resident_directory(), "");
}

/* ---- the driver as it is now ---- */

/* *device NULL: no driver is loaded. */
static int look(HANDLE *device, struct ioctl_information *information)
{
	DWORD error = driver_open(device);

	if (error == ERROR_FILE_NOT_FOUND)
		return 0;
	if (!error && (error = driver_query(*device, information))) {
		CloseHandle(*device);
		*device = NULL;
	}
	return error ? driver_name_error(error, "cannot ask the driver what it does") : 0;
}

static void close_device(HANDLE device)
{
	if (device)
		CloseHandle(device);
}

static bool resides(HANDLE device, const struct ioctl_information *information)
{
	return device && information->flags & IOCTL_DRIVER_RESIDENT;
}

static uint64_t sum(const uint64_t *counts)
{
	uint64_t total = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		total += counts[kind];
	return total;
}

/* ---- install ---- */

static int begin_residence(HANDLE device)
{
	struct ioctl_information information;
	DWORD error = driver_reside(device, procobsrv_version());

	/* Nobody can read before the lock is given back, so the token is where it began. */
	if (!error)
		error = driver_query(device, &information);
	if (error)
		return driver_name_error(error, "cannot make the driver resident");
	return service_values_set_base(information.stream, sum(information.resident_token.passed));
}

/* As it was before; a driver through which others watch goes on for them. */
static void undo_install(HANDLE device)
{
	struct ioctl_information information;
	bool used = device && !driver_reside(device, NULL) && !driver_query(device, &information) &&
		    information.clients;

	close_device(device);
	if (!used) {
		service_uninstall();
		remove_directories();
	}
}

static int install(const struct source_options *options)
{
	char explanation[ERROR_TEXT_SIZE];
	struct ioctl_information information = {0};
	HANDLE device = NULL;
	int error = look(&device, &information);

	if (error)
		return error;
	if (resides(device, &information))
		error = error_set(PROCOBSRV_ERROR_BUSY,
				  "a resident observer is installed already: \"consctl status\" "
				  "tells of it, \"consctl install --replace\" puts this version in "
				  "its place, \"consctl uninstall\" removes it");
	close_device(device);
	device = NULL;
	if (error || (error = make_directories()))
		return error;
	error = service_install(options->buffer_size);
	if (error) {
		error_save(explanation);
		remove_directories();
		error_restore(explanation);
		return error;
	}
	DWORD failure = driver_open(&device);
	error = failure ? driver_name_error(failure, "cannot open the driver's device")
			: begin_residence(device);
	if (!error) {
		close_device(device);
		return 0;
	}
	error_save(explanation);
	undo_install(device);
	error_restore(explanation);
	return error;
}

/* ---- replace ---- */

static int replace(const struct source_options *options)
{
	struct ioctl_information information = {0};
	HANDLE device = NULL;
	DWORD failure;
	int error = look(&device, &information);

	(void)options; /* the ring goes on */
	if (!error && !resides(device, &information))
		error = error_set(PROCOBSRV_ERROR_NOT_FOUND,
				  "no resident observer is installed on this machine");
	if (!error)
		error = service_replace();
	/* It speaks the same version, else look() had failed: it goes on until it is unloaded. */
	if (!error && (failure = driver_reside(device, procobsrv_version())))
		error = driver_name_error(failure, "cannot tell the driver its version");
	close_device(device);
	return error;
}

/* ---- uninstall ---- */

static int complain_of_clients(const struct ioctl_information *information)
{
	char name[64];

	driver_name_process(information->resident_holder, name, sizeof(name));
	if (information->resident_holder)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "the resident observer is being read by %s (pid %u): stop that "
				 "first",
				 *name ? name : "another process",
				 (unsigned)information->resident_holder);
	return error_set(PROCOBSRV_ERROR_BUSY,
			 "%u other monitor%s the driver (\"consctl watch\" or \"run\", or a "
			 "program that uses the library): end %s first",
			 (unsigned)information->clients,
			 information->clients == 1 ? " uses" : "s use",
			 information->clients == 1 ? "it" : "them");
}

static int remove_service(void)
{
	bool installed = false;
	int error = service_look(&installed);

	if (!error && !installed)
		error = error_set(PROCOBSRV_ERROR_NOT_FOUND,
				  "no resident observer is installed on this machine");
	if (!error)
		error = service_uninstall();
	if (!error)
		remove_directories();
	return error;
}

static int uninstall(const struct source_options *options)
{
	struct ioctl_information information = {0};
	HANDLE device = NULL;
	DWORD failure;
	int error = look(&device, &information);

	(void)options;
	if (!error && device && information.clients)
		error = complain_of_clients(&information);
	if (!error && resides(device, &information) && (failure = driver_reside(device, NULL)))
		error = driver_name_error(failure, "cannot end the residence");
	close_device(device);
	return error ? error : remove_service();
}

/* ---- status ---- */

/* What the driver has evicted before it was acknowledged, and no reader has on disk. */
static int count_lost(const struct ioctl_information *information,
		      struct source_statistics *statistics, uint64_t *on_disk)
{
	const struct ioctl_token *token = &information->resident_token;
	bool overrun = token->position < information->tail;
	uint64_t kept[RECORD_LOST_KINDS];
	int error = disk_count(statistics, statistics->released, kept);

	if (error)
		return error;
	*on_disk = sum(kept);
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++) {
		uint64_t evicted = overrun ? information->evicted[kind] - token->passed[kind] : 0;
		statistics->sequences[0].lost[kind] =
		    (uint32_t)(information->resident_lost[kind] +
			       (evicted > kept[kind] ? evicted - kept[kind] : 0));
	}
	return 0;
}

static uint64_t count_ring(const struct ioctl_information *information)
{
	const struct ioctl_token *token = &information->resident_token;
	bool overrun = token->position < information->tail;

	return information->number - sum(overrun ? information->evicted : token->passed);
}

static int fill(const struct ioctl_information *information, struct resident_status *status)
{
	const struct ioctl_token *token = &information->resident_token;
	struct source_statistics *statistics = &status->statistics;
	uint64_t base = service_values_base(information->stream), on_disk = 0, lost = 0;

	statistics->stream = information->stream;
	statistics->produced = information->head;
	statistics->acknowledged = token->position;
	statistics->released =
	    token->position < information->tail ? information->tail : token->position;
	statistics->ring_size = information->ring_size;
	statistics->read = sum(token->passed) - base - sum(information->resident_lost);
	statistics->sequence_count = 1;
	statistics->sequences[0].number = information->number - base;
	int error = count_lost(information, statistics, &on_disk);
	if (error)
		return error;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		lost += statistics->sequences[0].lost[kind];
	status->read = statistics->read;
	status->pending = count_ring(information) + on_disk;
	status->adds_up = status->read + status->pending + lost == statistics->sequences[0].number;
	return 0;
}

static int describe(const struct ioctl_information *information, struct resident_status *status)
{
	status->installed = true;
	snprintf(status->version, sizeof(status->version), "%.*s",
		 (int)sizeof(information->resident_version), information->resident_version);
	status->record_version = information->record_version;
	status->record_kinds = 1u << RECORD_START | 1u << RECORD_EXIT;
	status->stream = information->stream;
	status->installed_ns = (uint64_t)information->resident_since_ns;
	status->holder = information->resident_holder;
	if (status->holder)
		driver_name_process(status->holder, status->holder_name,
				    sizeof(status->holder_name));
	return fill(information, status);
}

int resident_status(struct resident_status *status)
{
	struct ioctl_information information = {0};
	HANDLE device = NULL;

	memset(status, 0, sizeof(*status));
	int error = look(&device, &information);
	if (!error && resides(device, &information))
		error = describe(&information, status);
	close_device(device);
	return error;
}

/* ---- under the lock ---- */

static int locked(int (*change)(const struct source_options *options),
		  const struct source_options *options)
{
	HANDLE lock;
	int error = service_file_check_machine();

	if (!error)
		error = setup_lock_take(&lock);
	if (error)
		return error;
	error = change(options);
	setup_lock_release(lock);
	return error;
}

int resident_install(const struct source_options *options)
{
	return locked(install, options);
}

int resident_replace(const struct source_options *options)
{
	return locked(replace, options);
}

int resident_uninstall(void)
{
	return locked(uninstall, NULL);
}
