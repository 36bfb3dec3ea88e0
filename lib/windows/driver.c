/* SPDX-License-Identifier: MIT */
#include "driver.h"

#include "failure.h"

#include <stdio.h>
#include <winioctl.h>

_Static_assert(IOCTL_PROCOBSRV_CODE(0x800u) == CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED,
							FILE_READ_DATA | FILE_WRITE_DATA),
	       "the codes are the system's");

DWORD driver_open(HANDLE *device)
{
	*device = CreateFileW(PROCOBSRV_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL,
			      OPEN_EXISTING, FILE_FLAG_OVERLAPPED, NULL);
	if (*device != INVALID_HANDLE_VALUE)
		return 0;
	DWORD error = GetLastError();
	*device = NULL;
	return error;
}

/* A call that does not wait for anything to happen, while a read may. */
static DWORD call(HANDLE device, DWORD code, const void *input, size_t input_size, void *output,
		  size_t output_size)
{
	OVERLAPPED overlapped = {.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL)};
	DWORD written = 0, error = 0;

	if (!overlapped.hEvent)
		return GetLastError();
	if (!DeviceIoControl(device, code, (void *)(uintptr_t)input, (DWORD)input_size, output,
			     (DWORD)output_size, &written, &overlapped))
		error = GetLastError();
	if (error == ERROR_IO_PENDING)
		error =
		    GetOverlappedResult(device, &overlapped, &written, TRUE) ? 0 : GetLastError();
	CloseHandle(overlapped.hEvent);
	if (!error && written != output_size)
		error = ERROR_BAD_LENGTH;
	return error;
}

static struct ioctl_header header_of(size_t size)
{
	return (struct ioctl_header){(uint32_t)size, IOCTL_PROCOBSRV_VERSION};
}

DWORD driver_query(HANDLE device, struct ioctl_information *information)
{
	DWORD error =
	    call(device, IOCTL_PROCOBSRV_QUERY, NULL, 0, information, sizeof(*information));

	if (!error && (information->version != IOCTL_PROCOBSRV_VERSION ||
		       information->record_version != RECORD_VERSION))
		error = ERROR_REVISION_MISMATCH;
	return error;
}

DWORD driver_activate(HANDLE device, uint32_t flags, struct ioctl_token *begin)
{
	struct ioctl_activation activation = {
	    .header = header_of(sizeof(activation)),
	    .flags = flags,
	};
	struct ioctl_activated activated;
	DWORD error = call(device, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			   sizeof(activation), &activated, sizeof(activated));

	if (!error)
		*begin = activated.token;
	return error;
}

DWORD driver_deactivate(HANDLE device)
{
	struct ioctl_activation activation = {.header = header_of(sizeof(activation))};

	return call(device, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation, sizeof(activation),
		    NULL, 0);
}

DWORD driver_acknowledge(HANDLE device, const struct ioctl_token *token)
{
	struct ioctl_acknowledgement acknowledgement = {
	    .header = header_of(sizeof(acknowledgement)),
	    .token = *token,
	};

	return call(device, IOCTL_PROCOBSRV_ACKNOWLEDGE, &acknowledgement, sizeof(acknowledgement),
		    NULL, 0);
}

DWORD driver_reside(HANDLE device, const char *version)
{
	struct ioctl_residence residence = {
	    .header = header_of(sizeof(residence)),
	    .reside = version != NULL,
	};

	if (version)
		snprintf(residence.version, sizeof(residence.version), "%s", version);
	return call(device, IOCTL_PROCOBSRV_RESIDE, &residence, sizeof(residence), NULL, 0);
}

DWORD driver_begin_read(HANDLE device, void *buffer, size_t size, OVERLAPPED *overlapped)
{
	struct ioctl_read input = {header_of(sizeof(input))};
	HANDLE event = overlapped->hEvent;

	*overlapped = (OVERLAPPED){.hEvent = event};
	if (DeviceIoControl(device, IOCTL_PROCOBSRV_READ, &input, sizeof(input), buffer,
			    (DWORD)size, NULL, overlapped))
		return 0;
	DWORD error = GetLastError();
	return error == ERROR_IO_PENDING ? 0 : error;
}

DWORD driver_finish_read(HANDLE device, OVERLAPPED *overlapped, bool wait, size_t *size)
{
	DWORD written = 0;

	if (!GetOverlappedResult(device, overlapped, &written, wait))
		return GetLastError();
	*size = written;
	return 0;
}

int driver_name_error(DWORD error, const char *what)
{
	switch (error) {
	case ERROR_ACCESS_DENIED:
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "%s: access denied: the driver listens to administrators alone; "
				 "run this as administrator",
				 what);
	case ERROR_BAD_LENGTH:
	case ERROR_REVISION_MISMATCH:
	case ERROR_INVALID_FUNCTION:
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "%s: the driver that is loaded is of another version than this "
				 "program; run \"consctl uninstall\" of that version, or end the "
				 "programs that use it",
				 what);
	default:
		return error_set_windows(error, "%s", what);
	}
}
