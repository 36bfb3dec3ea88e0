/* SPDX-License-Identifier: MIT */
#include "service.h"

#include "failure.h"
#include "service_error.h"
#include "service_file.h"
#include "service_values.h"
#include "wide.h"

#include "../../observer/windows/ioctl.h"

#include <stdlib.h>
#include <windows.h>

/* What people see in the list of services; it also tells the two ways of registering apart. */
#define INSTALLED_NAME L"ProcObsrv process observer"
#define WATCHED_NAME   L"ProcObsrv process observer (for as long as it watches)"

/* Drivers of one group share a host process under Wine, where the tests have one beside ours. */
#define SERVICE_GROUP L"ProcObsrv"

#define PENDING_WAIT_MS 10000
#define PENDING_STEP_MS 20

struct service {
	SC_HANDLE manager;
	SC_HANDLE handle; /* NULL: it is not registered */
	bool watched;	  /* by the name that is shown */
	bool foreign;	  /* it is not this copy\'s driver */
	wchar_t *image;	  /* owned; as the system has it */
	wchar_t *beside;  /* owned: the two files that may be ours */
	wchar_t *installed;
};

/* ---- looking ---- */

static void close_service(struct service *service)
{
	if (service->handle)
		CloseServiceHandle(service->handle);
	if (service->manager)
		CloseServiceHandle(service->manager);
	free(service->image);
	free(service->beside);
	free(service->installed);
}

static int find_files(struct service *service)
{
	int error = service_file_check_machine();

	if (error)
		return error;
	service->beside = malloc(SERVICE_FILE_PATH_MAX * sizeof(*service->beside));
	service->installed = malloc(SERVICE_FILE_PATH_MAX * sizeof(*service->installed));
	if (!service->beside || !service->installed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the driver's path");
	if (!service_file_beside(service->beside) || !service_file_installed(service->installed))
		return error_set_windows(GetLastError(), "cannot find the driver's folder");
	return 0;
}

static int complain_of_foreign(const struct service *service)
{
	char *image = wide_to_utf8(service->image, wcslen(service->image));
	int error =
	    error_set(PROCOBSRV_ERROR_STATE,
		      "there is a service named ProcObsrv already, which is none of this program's "
		      "(its image is %.300s): if it is a leftover of another copy, remove it with "
		      "\"sc delete ProcObsrv\"; it is left as it is",
		      image ? image : "not known");

	free(image);
	return error;
}

static int read_configuration(struct service *service)
{
	QUERY_SERVICE_CONFIGW *configuration;
	DWORD size = 0;

	QueryServiceConfigW(service->handle, NULL, 0, &size);
	configuration = malloc(size + sizeof(*configuration));
	if (!configuration)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the service");
	if (!QueryServiceConfigW(service->handle, configuration, size, &size)) {
		DWORD error = GetLastError();
		free(configuration);
		return service_error(error, "cannot look at the service ProcObsrv");
	}
	bool driver = configuration->dwServiceType == SERVICE_KERNEL_DRIVER;
	service->watched = !wcscmp(configuration->lpDisplayName, WATCHED_NAME);
	service->image = _wcsdup(configuration->lpBinaryPathName);
	free(configuration);
	if (!service->image)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the service");
	service->watched &= driver;
	service->foreign = !driver || (!service_file_is(service->image, service->installed) &&
				       !service_file_is(service->image, service->beside));
	return 0;
}

/* Finds the service, if it is registered. */
static int find_service(struct service *service)
{
	int error = find_files(service);

	if (error)
		return error;
	service->manager =
	    OpenSCManagerW(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
	if (!service->manager)
		return service_error(GetLastError(), "cannot open the list of services");
	service->handle =
	    OpenServiceW(service->manager, PROCOBSRV_SERVICE_NAME,
			 SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG | SERVICE_QUERY_STATUS |
			     SERVICE_START | SERVICE_STOP | DELETE);
	if (service->handle)
		return read_configuration(service);
	if (GetLastError() == ERROR_SERVICE_DOES_NOT_EXIST)
		return 0;
	return service_error(GetLastError(), "cannot open the service ProcObsrv");
}

/* The same, and STATE: it is none of ours. */
static int open_service(struct service *service)
{
	int error = find_service(service);

	return error || !service->foreign ? error : complain_of_foreign(service);
}

static int state_of(const struct service *service, DWORD *state)
{
	SERVICE_STATUS status;

	*state = 0;
	if (!QueryServiceStatus(service->handle, &status))
		return service_error(GetLastError(), "cannot look at the service ProcObsrv");
	*state = status.dwCurrentState;
	return 0;
}

/* Waits for it to come out of a state on the way to another. */
static int settled_state(const struct service *service, const char *what, DWORD *state)
{
	for (int waited = 0; waited < PENDING_WAIT_MS; waited += PENDING_STEP_MS) {
		int error = state_of(service, state);

		if (error || *state == SERVICE_STOPPED || *state == SERVICE_RUNNING)
			return error;
		Sleep(PENDING_STEP_MS);
	}
	return service_error_pending(what);
}

/* ---- changing ---- */

static int create(struct service *service, const wchar_t *image, const wchar_t *name)
{
	if (GetFileAttributesW(image) == INVALID_FILE_ATTRIBUTES)
		return service_error(GetLastError(), "cannot register the driver");
	service->handle =
	    CreateServiceW(service->manager, PROCOBSRV_SERVICE_NAME, name,
			   SERVICE_QUERY_CONFIG | SERVICE_CHANGE_CONFIG | SERVICE_QUERY_STATUS |
			       SERVICE_START | SERVICE_STOP | DELETE,
			   SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, image,
			   SERVICE_GROUP, NULL, NULL, NULL, NULL);
	return service->handle ? 0 : service_error(GetLastError(), "cannot register the driver");
}

static int start(const struct service *service, uint64_t ring_size)
{
	DWORD state;
	int error = settled_state(service, "cannot load the driver", &state);

	if (error || state == SERVICE_RUNNING)
		return error;
	service_values_set_ring_size(ring_size);
	if (StartServiceW(service->handle, 0, NULL))
		return settled_state(service, "cannot load the driver", &state);
	DWORD failure = GetLastError();
	return failure == ERROR_SERVICE_ALREADY_RUNNING
		   ? 0
		   : service_error(failure, "cannot load the driver");
}

static int stop(const struct service *service)
{
	SERVICE_STATUS status;
	DWORD state;
	int error = settled_state(service, "cannot unload the driver", &state);

	if (error || state == SERVICE_STOPPED)
		return error;
	if (!ControlService(service->handle, SERVICE_CONTROL_STOP, &status) &&
	    GetLastError() != ERROR_SERVICE_NOT_ACTIVE)
		return service_error(GetLastError(), "cannot unload the driver");
	error = settled_state(service, "cannot unload the driver", &state);
	if (!error && state != SERVICE_STOPPED)
		error = service_error_pending("cannot unload the driver");
	return error;
}

static int delete_service(const struct service *service)
{
	service_values_remove();
	if (DeleteService(service->handle))
		return 0;
	return service_error(GetLastError(), "cannot remove the service ProcObsrv");
}

/* ---- the calls ---- */

/* Starts what `created` says has just been registered, or undoes that. */
static int start_or_undo(struct service *service, bool created, uint64_t ring_size)
{
	char explanation[ERROR_TEXT_SIZE];
	int error = start(service, ring_size);

	if (!error || !created)
		return error;
	error_save(explanation);
	delete_service(service);
	error_restore(explanation);
	return error;
}

static int load(struct service *service, uint64_t ring_size)
{
	int error = open_service(service);
	bool create_it = !error && !service->handle;

	if (create_it)
		error = create(service, service->beside, WATCHED_NAME);
	return error ? error : start_or_undo(service, create_it, ring_size);
}

int service_load(uint64_t ring_size)
{
	struct service service = {0};
	int error = load(&service, ring_size);

	close_service(&service);
	return error;
}

static int copy_file(const struct service *service)
{
	if (service_file_is(service->beside, service->installed) ||
	    CopyFileW(service->beside, service->installed, FALSE))
		return 0;
	return service_error(GetLastError(), "cannot copy ProcObsrv.sys to the system's drivers");
}

/* What was registered for as long as it is watched becomes installed; it may go on meanwhile. */
static int make_installed(const struct service *service)
{
	if (ChangeServiceConfigW(service->handle, SERVICE_NO_CHANGE, SERVICE_DEMAND_START,
				 SERVICE_NO_CHANGE, service->installed, NULL, NULL, NULL, NULL,
				 NULL, INSTALLED_NAME))
		return 0;
	return service_error(GetLastError(), "cannot register the driver as installed");
}

static bool delete_file(const wchar_t *path)
{
	return DeleteFileW(path) || GetLastError() == ERROR_FILE_NOT_FOUND;
}

/* The copy of the file goes with the service. */
static bool delete_copy(const struct service *service)
{
	return service_file_is(service->beside, service->installed) ||
	       delete_file(service->installed);
}

static int create_installed(struct service *service, uint64_t ring_size)
{
	char explanation[ERROR_TEXT_SIZE];
	int error = create(service, service->installed, INSTALLED_NAME);

	if (!error)
		error = start_or_undo(service, true, ring_size);
	if (error) {
		error_save(explanation);
		delete_copy(service);
		error_restore(explanation);
	}
	return error;
}

static int install(struct service *service, uint64_t ring_size)
{
	DWORD state = SERVICE_STOPPED;
	int error = open_service(service);

	if (!error && service->handle)
		error = settled_state(service, "cannot install the driver", &state);
	/* The file of a driver that is loaded cannot be written; that one stays until it stops. */
	if (!error && (state == SERVICE_STOPPED || service->watched))
		error = copy_file(service);
	if (error)
		return error;
	if (!service->handle)
		return create_installed(service, ring_size);
	error = make_installed(service);
	return error ? error : start(service, ring_size);
}

int service_install(uint64_t ring_size)
{
	struct service service = {0};
	int error = install(&service, ring_size);

	close_service(&service);
	return error;
}

static void name_moved(const struct service *service, wchar_t moved[SERVICE_FILE_PATH_MAX])
{
	wcscpy(moved, service->installed);
	wcscpy(wcsrchr(moved, L'.'), L".old");
}

/* The file of a loaded driver cannot be written, but have another name until it is unloaded. */
static int replace_file(const struct service *service)
{
	wchar_t *moved = malloc(SERVICE_FILE_PATH_MAX * sizeof(*moved));
	int error;

	if (!moved)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the driver's path");
	name_moved(service, moved);
	if (MoveFileExW(service->installed, moved, MOVEFILE_REPLACE_EXISTING) ||
	    GetLastError() == ERROR_FILE_NOT_FOUND) {
		error = copy_file(service);
		if (error)
			MoveFileExW(moved, service->installed, 0);
		else if (!DeleteFileW(moved))
			MoveFileExW(moved, NULL, MOVEFILE_DELAY_UNTIL_REBOOT);
	} else {
		error = service_error(GetLastError(), "cannot replace the installed ProcObsrv.sys");
	}
	free(moved);
	return error;
}

/* As open_service(), of a driver that must be there. */
static int open_installed(struct service *service)
{
	int error = open_service(service);

	if (!error && !service->handle)
		error = error_set(PROCOBSRV_ERROR_NOT_FOUND,
				  "the driver is not installed on this machine");
	return error;
}

int service_replace(void)
{
	struct service service = {0};
	int error = open_installed(&service);

	if (!error)
		error = replace_file(&service);
	close_service(&service);
	return error;
}

int service_unload(void)
{
	struct service service = {0};
	int error = find_service(&service);

	/* Another copy may have loaded what this one watched through, and left before. */
	if (!error && service.foreign && !service.watched)
		error = complain_of_foreign(&service);
	if (!error && service.handle) {
		error = stop(&service);
		if (!error && service.watched)
			error = delete_service(&service);
	}
	close_service(&service);
	return error;
}

static int remove_files(const struct service *service)
{
	wchar_t *moved = malloc(SERVICE_FILE_PATH_MAX * sizeof(*moved));
	bool removed = moved != NULL;

	if (moved) {
		name_moved(service, moved);
		delete_file(moved); /* else it is gone with the next start of Windows */
	}
	free(moved);
	if (removed && delete_copy(service))
		return 0;
	return service_error(GetLastError(),
			     "cannot remove ProcObsrv.sys from the system's drivers");
}

int service_uninstall(void)
{
	struct service service = {0};
	int error = open_installed(&service);

	if (!error)
		error = stop(&service);
	if (!error)
		error = delete_service(&service);
	if (!error)
		error = remove_files(&service);
	close_service(&service);
	return error;
}

int service_look(bool *installed)
{
	struct service service = {0};
	int error = open_service(&service);

	if (!error)
		*installed = service.handle && !service.watched;
	close_service(&service);
	return error;
}
