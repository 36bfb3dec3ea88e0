/* SPDX-License-Identifier: MIT */
/*
 * lib/service_channel.h for Windows: a named pipe in byte mode. A read is always under way, so that
 * its event tells when something has come; what it took waits here until it is received.
 *
 * Whoever comes first may make a pipe of any name. So nothing is believed that comes through one
 * which is not the administrators', and the other end may learn who we are but not act as us.
 */
#include "service_channel.h"

#include "cancel.h"
#include "failure.h"
#include "rights.h"
#include "security.h"
#include "wide.h"

#include <aclapi.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* Where the service listens, unless PROCOBSRV_SERVICE_SOCKET names another pipe. */
#define PIPES	     L"\\\\.\\pipe\\"
#define SERVICE_PIPE PIPES L"procobsrvd"
#define VARIABLE     L"PROCOBSRV_SERVICE_SOCKET"
/* The longest name that the system allows. */
#define NAME_COUNT 256

/*
 * All that is needed. GENERIC_WRITE is more: it asks for the right to make pipes of this name,
 * which readers do not have. Who owns it can be asked with READ_CONTROL, which is part of the
 * first.
 */
#define ACCESS (FILE_GENERIC_READ | FILE_WRITE_DATA)

#define CONNECT_NS 5000000000u
/* Requests are so small that they fit in, or nobody reads them. */
#define SEND_MS	  1000
#define ROOM_SIZE (64u << 10)

const char service_channel_look[] = "sc query procobsrvd";

struct service_channel {
	HANDLE pipe;
	OVERLAPPED reading;
	OVERLAPPED writing;
	bool pending; /* a read is under way */
	bool ended;
	size_t taken; /* of what has been read, bytes that were received */
	size_t size;
	char room[ROOM_SIZE];
};

/* ---- who is there ---- */

struct place {
	wchar_t name[NAME_COUNT + 1];
	char *text;  /* the same for messages; owned */
	bool chosen; /* by the user, who may mean a service of his own */
};

static int find_place(struct place *place)
{
	DWORD count = GetEnvironmentVariableW(VARIABLE, place->name, NAME_COUNT + 1);

	place->chosen = count > 0;
	if (!place->chosen)
		wcscpy(place->name, SERVICE_PIPE);
	/* Pipes of other machines are none of ours, and to ask for one tells them who we are. */
	if (count > NAME_COUNT || _wcsnicmp(place->name, PIPES, wcslen(PIPES)) != 0 ||
	    !place->name[wcslen(PIPES)])
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "PROCOBSRV_SERVICE_SOCKET does not name a pipe of this machine: "
				 "\\\\.\\pipe\\ and at most %zu characters",
				 NAME_COUNT - wcslen(PIPES));
	place->text = wide_to_utf8(place->name, wcslen(place->name));
	if (!place->text)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a connection");
	return 0;
}

static int check_owner(HANDLE pipe, const struct place *place)
{
	PSECURITY_DESCRIPTOR descriptor = NULL;
	PSID owner = NULL;
	DWORD error = GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner,
				      NULL, NULL, NULL, &descriptor);

	if (error != ERROR_SUCCESS)
		return error_set_windows(error, "cannot ask whose pipe %s is", place->text);
	bool trusted =
	    owner && (rights_is_administrators(owner) || (place->chosen && security_is_own(owner)));
	LocalFree(descriptor);
	if (trusted)
		return 0;
	return error_set(
	    PROCOBSRV_ERROR_PERMISSION,
	    "%s is not the service's: a user who is neither the system nor an administrator has "
	    "made it, and what it tells is not believed; %s",
	    place->text,
	    place->chosen
		? "name another in PROCOBSRV_SERVICE_SOCKET"
		: "look who runs it, end that, and start the service: sc start procobsrvd");
}

/* ---- connecting ---- */

static int explain_connect(DWORD error, const struct place *place)
{
	if (error == ERROR_FILE_NOT_FOUND)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND,
				 "no service listens on %s: start it (sc start procobsrvd), or "
				 "name its pipe in PROCOBSRV_SERVICE_SOCKET",
				 place->text);
	if (error == ERROR_ACCESS_DENIED)
		return error_set(PROCOBSRV_ERROR_PERMISSION,
				 "this user may not connect to the service at %s: run as an "
				 "administrator, or have the service's configuration name a group "
				 "for its readers",
				 place->text);
	if (error == ERROR_PIPE_BUSY || error == ERROR_SEM_TIMEOUT)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "the service at %s takes no further reader: try again",
				 place->text);
	return error_set_windows(error, "cannot connect to the service at %s", place->text);
}

/* A pipe is busy until the service has made another instance of it. */
static DWORD wait_for_instance(const struct place *place, uint64_t end)
{
	uint64_t now = os_monotonic_ns();

	/* 0 would be the pipe's own default. */
	if (now + 1000000 > end)
		return ERROR_PIPE_BUSY;
	return WaitNamedPipeW(place->name, (DWORD)((end - now) / 1000000)) ? ERROR_SUCCESS
									   : GetLastError();
}

static int connect_pipe(const struct place *place, HANDLE *connected)
{
	const DWORD flags = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
	uint64_t end = os_monotonic_ns() + CONNECT_NS;
	HANDLE pipe;
	DWORD error;

	do {
		pipe = CreateFileW(place->name, ACCESS, 0, NULL, OPEN_EXISTING, flags, NULL);
		error = pipe == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
		if (error != ERROR_PIPE_BUSY)
			break;
		error = wait_for_instance(place, end);
	} while (error == ERROR_SUCCESS);
	if (error != ERROR_SUCCESS)
		return explain_connect(error, place);
	int refused = check_owner(pipe, place);
	if (refused) {
		CloseHandle(pipe);
		return refused;
	}
	*connected = pipe;
	return 0;
}

static int find_and_connect(HANDLE *connected)
{
	struct place place = {0};
	int error = find_place(&place);

	if (!error)
		error = connect_pipe(&place, connected);
	free(place.text);
	return error;
}

int service_channel_open(struct service_channel **opened)
{
	struct service_channel *channel = calloc(1, sizeof(*channel));
	int error;

	if (!channel)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a connection");
	channel->pipe = INVALID_HANDLE_VALUE;
	channel->reading.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	channel->writing.hEvent = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!channel->reading.hEvent || !channel->writing.hEvent)
		error = error_set_windows(GetLastError(), "cannot make an event for a connection");
	else
		error = find_and_connect(&channel->pipe);
	if (error) {
		service_channel_close(channel);
		return error;
	}
	*opened = channel;
	return 0;
}

/* ---- reading ---- */

static void end(struct service_channel *channel)
{
	channel->ended = true;
	SetEvent(channel->reading.hEvent); /* whoever waits may hear of it */
}

static void begin_read(struct service_channel *channel)
{
	if (channel->pending || channel->ended || channel->taken < channel->size)
		return;
	/* Also when it is done at once its event is set, and its result is asked for later. */
	channel->pending =
	    ReadFile(channel->pipe, channel->room, ROOM_SIZE, NULL, &channel->reading) ||
	    GetLastError() == ERROR_IO_PENDING;
	if (!channel->pending)
		end(channel);
}

static void end_read(struct service_channel *channel)
{
	DWORD size = 0;

	if (!channel->pending)
		return;
	if (GetOverlappedResult(channel->pipe, &channel->reading, &size, FALSE)) {
		channel->pending = false;
		channel->taken = 0;
		channel->size = size;
	} else if (GetLastError() != ERROR_IO_INCOMPLETE) {
		channel->pending = false;
		end(channel);
	}
}

int service_channel_receive(struct service_channel *channel, void *data, size_t size,
			    size_t *received)
{
	begin_read(channel);
	end_read(channel);
	size_t left = channel->size - channel->taken;
	if (left == 0)
		return channel->ended ? PROCOBSRV_ERROR_ENDED : PROCOBSRV_ERROR_TIMEOUT;
	if (left > size)
		left = size;
	memcpy(data, channel->room + channel->taken, left);
	channel->taken += left;
	*received = left;
	return 0;
}

static bool is_set(HANDLE event)
{
	return WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
}

int service_channel_wait(struct service_channel *channel, struct os_event *wake, int timeout_ms)
{
	DWORD timeout = timeout_ms < 0 ? INFINITE : (DWORD)timeout_ms;
	HANDLE waits[2];
	DWORD count = 0;

	if (channel) {
		begin_read(channel);
		waits[count++] = channel->reading.hEvent;
	}
	if (wake)
		waits[count++] = (HANDLE)os_event_handle(wake);
	if (count > 0)
		WaitForMultipleObjects(count, waits, FALSE, timeout);
	else
		Sleep(timeout);
	if (wake && is_set(waits[count - 1]))
		os_event_clear(wake);
	return channel && is_set(waits[0]) ? 0 : PROCOBSRV_ERROR_TIMEOUT;
}

/* ---- writing ---- */

int service_channel_send(struct service_channel *channel, const void *data, size_t size)
{
	OVERLAPPED *writing = &channel->writing;
	DWORD written = 0;
	bool late;

	if (!WriteFile(channel->pipe, data, (DWORD)size, NULL, writing) &&
	    GetLastError() != ERROR_IO_PENDING)
		return error_set_windows(GetLastError(), "cannot ask the service");
	late = WaitForSingleObject(writing->hEvent, SEND_MS) != WAIT_OBJECT_0;
	/* The data is the caller's: the system is done with it before this returns. Half of a
	 * request ends the connection, so it does no harm if a read of this thread ends, too. */
	if (late)
		cancel_pending(channel->pipe);
	if (GetOverlappedResult(channel->pipe, writing, &written, TRUE) && written == size)
		return 0;
	if (late)
		return error_set(PROCOBSRV_ERROR_SYSTEM,
				 "cannot ask the service: it does not read; look with %s",
				 service_channel_look);
	return error_set_windows(GetLastError(), "cannot ask the service");
}

void service_channel_close(struct service_channel *channel)
{
	DWORD size;

	if (!channel)
		return;
	if (channel->pending) {
		cancel_pending(channel->pipe);
		GetOverlappedResult(channel->pipe, &channel->reading, &size, TRUE);
	}
	if (channel->pipe != INVALID_HANDLE_VALUE)
		CloseHandle(channel->pipe);
	if (channel->reading.hEvent)
		CloseHandle(channel->reading.hEvent);
	if (channel->writing.hEvent)
		CloseHandle(channel->writing.hEvent);
	free(channel);
}
