/* SPDX-License-Identifier: MIT */
#include "driver_join.h"

#include "error.h"
#include "running_process.h"
#include "service.h"
#include "service_file.h"
#include "service_values.h"
#include "setup_lock.h"
#include "wide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void driver_name_process(uint32_t pid, char *name, size_t size)
{
	HANDLE process = running_process_open(pid);
	struct running_image image = {0};
	const struct record_bytes *exe = &image.strings[RECORD_STRING_EXE];

	name[0] = '\0';
	if (!process)
		return;
	running_image_read(process, pid, false, &image);
	char *path =
	    wide_to_utf8((const wchar_t *)(const void *)exe->data, exe->size / sizeof(wchar_t));
	const char *last = path ? strrchr(path, '\\') : NULL;
	snprintf(name, size, "%s", last ? last + 1 : path ? path : "");
	free(path);
	running_image_free(&image);
	CloseHandle(process);
}

static int complain_of_reader(HANDLE device)
{
	struct ioctl_information information = {0};
	char name[64] = "";

	driver_query(device, &information);
	if (information.resident_holder)
		driver_name_process(information.resident_holder, name, sizeof(name));
	return error_set(PROCOBSRV_ERROR_BUSY,
			 "the resident observer is being read by %s (pid %u): it has one reader at "
			 "a time; stop that one first, or watch without --resume",
			 *name ? name : "another process", (unsigned)information.resident_holder);
}

static int complain_of_none(void)
{
	return error_set(PROCOBSRV_ERROR_NOT_FOUND,
			 "no resident observer is installed on this machine: \"consctl install\" "
			 "makes one");
}

static int activate(bool resident, struct driver_client *client)
{
	struct ioctl_information information;
	uint32_t flags = IOCTL_ACTIVATE | (resident ? IOCTL_ACTIVATE_RESIDENT : 0);
	DWORD error = driver_query(client->device, &information);

	if (error)
		return driver_name_error(error, "cannot ask the driver what it is");
	error = driver_activate(client->device, flags, &client->begin);
	if (error == ERROR_SHARING_VIOLATION)
		return complain_of_reader(client->device);
	if (error == ERROR_NOT_FOUND)
		return complain_of_none();
	if (error)
		return driver_name_error(error, "cannot activate monitoring");
	client->driver_flags = information.flags;
	client->resident_base = resident ? service_values_base(information.stream) : 0;
	return 0;
}

/* The driver may have been loaded in vain. */
static void unload_if_unused(HANDLE device)
{
	struct ioctl_information information;
	bool used = !device || driver_query(device, &information) || information.clients ||
		    information.flags & IOCTL_DRIVER_RESIDENT;

	if (device)
		CloseHandle(device);
	if (!used)
		service_unload();
}

static int open_loaded(HANDLE *device)
{
	DWORD error = driver_open(device);

	return error ? driver_name_error(error, "cannot open the driver's device") : 0;
}

static int open_device(bool resident, uint64_t ring_size, struct driver_client *client)
{
	char explanation[ERROR_TEXT_SIZE];
	int error = open_loaded(&client->device);

	if (error != PROCOBSRV_ERROR_NOT_FOUND)
		return error;
	if (resident)
		return complain_of_none();
	if ((error = service_load(ring_size)))
		return error;
	error = open_loaded(&client->device);
	if (error) {
		error_save(explanation);
		service_unload();
		error_restore(explanation);
	}
	return error;
}

static int join(bool resident, uint64_t ring_size, struct driver_client *client)
{
	char explanation[ERROR_TEXT_SIZE];
	int error = open_device(resident, ring_size, client);

	if (!error)
		error = activate(resident, client);
	if (error && client->device) {
		error_save(explanation);
		unload_if_unused(client->device);
		error_restore(explanation);
	}
	return error;
}

int driver_join(bool resident, uint64_t ring_size, struct driver_client *client)
{
	HANDLE lock;
	int error = service_file_check_machine();

	memset(client, 0, sizeof(*client));
	if (!error)
		error = setup_lock_take(&lock);
	if (error)
		return error;
	error = join(resident, ring_size, client);
	setup_lock_release(lock);
	return error;
}

void driver_leave(struct driver_client *client)
{
	HANDLE lock;
	bool locked = !setup_lock_take(&lock);

	driver_deactivate(client->device);
	if (locked) {
		unload_if_unused(client->device);
		setup_lock_release(lock);
	} else {
		CloseHandle(client->device);
	}
	client->device = NULL;
}
