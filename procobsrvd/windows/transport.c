/* SPDX-License-Identifier: MIT */
/*
 * Readers on a named pipe. A completion port waits for all of them; each connection has a read
 * under way, and at most one write, into and from memory of its own.
 *
 * A connection is given to the server when its first bytes have come: who it is can be asked only
 * then. Those that say nothing are few, and not for long.
 */
#include "transport.h"

#include "cancel.h"
#include "failure.h"
#include "log.h"
#include "os.h"
#include "peer.h"
#include "pipe.h"
#include "wide.h"

#include <stdlib.h>
#include <string.h>

/* Instances that wait for somebody to connect. */
#define LISTENING_COUNT 4u
#define SILENT_MOST	64u
#define SILENT_NS	10000000000u
#define TEND_NS		1000000000u
#define PACKETS_MOST	64
#define INPUT_SIZE	1024u
#define OUTPUT_SIZE	(32u << 10)
/* For the system to give back what it was asked to cancel. */
#define CANCEL_MS 2000

enum stage {
	STAGE_NEW,     /* nobody was asked to connect yet */
	STAGE_LISTENS, /* ... but now */
	STAGE_SILENT,  /* somebody has connected, and said nothing yet */
	STAGE_SERVED,  /* the server's */
	STAGE_CLOSED,  /* until the system has given back what it holds */
};

struct connection {
	struct connection *next;
	struct transport *transport;
	HANDLE pipe;
	enum stage stage;
	uint64_t since_ns; /* when it became silent */
	struct peer peer;
	unsigned interests;
	void *holder;

	OVERLAPPED reading; /* and connecting */
	OVERLAPPED writing;
	bool read_pending;
	bool write_pending;
	bool ended; /* the peer is gone */
	DWORD input_size;
	DWORD input_used;
	DWORD written; /* by a write that is over and was not asked for yet */
	char input[INPUT_SIZE];
	char *output; /* OUTPUT_SIZE bytes, made when they are needed */
};

struct transport {
	wchar_t *name;
	char *text; /* the name, for messages */
	HANDLE port;
	struct connection *connections;
	uint64_t tended_ns;
	bool failing; /* no further instance could be made, which was told */
};

const char transport_place[] = "\\\\.\\pipe\\procobsrvd";
const char transport_privileged[] = "administrators";

/* ---- the end of a connection ---- */

static void free_if_over(struct connection *connection)
{
	struct connection **link = &connection->transport->connections;

	if (connection->stage != STAGE_CLOSED || connection->read_pending ||
	    connection->write_pending)
		return;
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	/* What the peer has not read yet it still can. */
	CloseHandle(connection->pipe);
	peer_forget(&connection->peer);
	free(connection->output);
	free(connection);
}

void connection_close(struct connection *connection)
{
	connection->stage = STAGE_CLOSED;
	if (connection->read_pending || connection->write_pending)
		cancel_pending(connection->pipe);
	free_if_over(connection);
}

/* ---- reading and writing ---- */

/* Whatever comes of it, its packet tells; also where it is done at once. */
static bool is_begun(BOOL done)
{
	return done || GetLastError() == ERROR_IO_PENDING;
}

static void begin_read(struct connection *connection)
{
	memset(&connection->reading, 0, sizeof(connection->reading));
	connection->input_size = connection->input_used = 0;
	connection->read_pending = is_begun(
	    ReadFile(connection->pipe, connection->input, INPUT_SIZE, NULL, &connection->reading));
	connection->ended |= !connection->read_pending;
}

int64_t connection_read(struct connection *connection, void *data, size_t size)
{
	size_t there = connection->input_size - connection->input_used;
	size_t count = there < size ? there : size;

	if (connection->read_pending)
		return 0;
	if (!there)
		return connection->ended ? -1 : 0;
	memcpy(data, connection->input + connection->input_used, count);
	connection->input_used += (DWORD)count;
	if (connection->input_used == connection->input_size && !connection->ended)
		begin_read(connection);
	return (int64_t)count;
}

int64_t connection_write(struct connection *connection, const void *data, size_t size)
{
	DWORD count = size < OUTPUT_SIZE ? (DWORD)size : OUTPUT_SIZE;
	DWORD written = connection->written;

	if (connection->write_pending)
		return 0;
	connection->written = 0;
	if (written)
		return written;
	if (!connection->output && !(connection->output = malloc(OUTPUT_SIZE)))
		return -1;
	memcpy(connection->output, data, count);
	memset(&connection->writing, 0, sizeof(connection->writing));
	connection->write_pending = is_begun(
	    WriteFile(connection->pipe, connection->output, count, NULL, &connection->writing));
	connection->ended |= !connection->write_pending;
	return connection->write_pending ? 0 : -1;
}

void connection_watch(struct connection *connection, unsigned interests, void *holder)
{
	connection->interests = interests;
	connection->holder = holder;
}

/* ---- connecting ---- */

static bool add_instance(struct transport *transport, bool first)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
		return false;
	}
	connection->transport = transport;
	connection->pipe = pipe_create(transport->name, first);
	if (connection->pipe == INVALID_HANDLE_VALUE) {
		free(connection);
		return false;
	}
	if (!CreateIoCompletionPort(connection->pipe, transport->port, (ULONG_PTR)connection, 0)) {
		CloseHandle(connection->pipe);
		free(connection);
		return false;
	}
	connection->next = transport->connections;
	transport->connections = connection;
	return true;
}

static void begin_silence(struct connection *connection)
{
	connection->stage = STAGE_SILENT;
	connection->since_ns = os_monotonic_ns();
	begin_read(connection);
	if (connection->ended)
		connection_close(connection);
}

static void begin_to_listen(struct connection *connection)
{
	memset(&connection->reading, 0, sizeof(connection->reading));
	connection->stage = STAGE_LISTENS;
	if (is_begun(ConnectNamedPipe(connection->pipe, &connection->reading)))
		connection->read_pending = true;
	else if (GetLastError() == ERROR_PIPE_CONNECTED)
		begin_silence(connection);
	else
		connection_close(connection);
}

static size_t count_stage(const struct transport *transport, enum stage stage)
{
	size_t count = 0;

	for (const struct connection *connection = transport->connections; connection;
	     connection = connection->next)
		count += connection->stage == stage;
	return count;
}

/* On the server's thread: an older Windows ends with a thread what it began. */
static void listen_all(struct transport *transport)
{
	size_t count = count_stage(transport, STAGE_LISTENS) + count_stage(transport, STAGE_NEW);
	bool made = true;

	while (made && count < LISTENING_COUNT) {
		made = add_instance(transport, false);
		count += made;
	}
	if (!made && !transport->failing) {
		error_set_windows(GetLastError(), "no further reader can connect to %s",
				  transport->text);
		service_log(PRIORITY_ERROR, "readers: %s; trying again", procobsrv_explain());
	}
	transport->failing = !made;
	for (struct connection *connection = transport->connections, *next; connection;
	     connection = next) {
		next = connection->next;
		if (connection->stage == STAGE_NEW)
			begin_to_listen(connection);
	}
}

/* Whoever connects and says nothing must not keep others out. */
static void end_silence(struct transport *transport)
{
	size_t count = count_stage(transport, STAGE_SILENT);
	uint64_t now = os_monotonic_ns();

	for (struct connection *connection = transport->connections, *next; connection;
	     connection = next) {
		next = connection->next;
		if (connection->stage != STAGE_SILENT ||
		    (count <= SILENT_MOST && now - connection->since_ns < SILENT_NS))
			continue;
		count--;
		connection_close(connection);
	}
}

void transport_tend(struct transport *transport)
{
	uint64_t now = os_monotonic_ns();

	if (now - transport->tended_ns < TEND_NS)
		return;
	transport->tended_ns = now;
	end_silence(transport);
	listen_all(transport);
}

/* ---- waiting ---- */

static bool is_readable(const struct connection *connection)
{
	return connection->stage == STAGE_SERVED && connection->interests & CONNECTION_INPUT &&
	       !connection->read_pending &&
	       (connection->ended || connection->input_used < connection->input_size);
}

static bool is_ready(const struct connection *connection)
{
	return is_readable(connection) ||
	       (connection->stage == STAGE_SERVED && connection->interests & CONNECTION_ROOM &&
		!connection->write_pending);
}

static bool is_any_ready(const struct transport *transport)
{
	bool ready = false;

	for (const struct connection *connection = transport->connections; connection;
	     connection = connection->next)
		ready |= is_ready(connection);
	return ready;
}

static void take_first_bytes(struct connection *connection, const struct transport_calls *calls)
{
	if (connection->ended || !peer_identify(connection->pipe, &connection->peer)) {
		connection_close(connection);
		return;
	}
	connection->stage = STAGE_SERVED;
	calls->connected(connection, calls->param);
}

static void take_read(struct connection *connection, DWORD error, DWORD size,
		      const struct transport_calls *calls)
{
	struct transport *transport = connection->transport;

	connection->read_pending = false;
	if (connection->stage == STAGE_LISTENS && !error) {
		begin_silence(connection);
		listen_all(transport);
		return;
	}
	if (connection->stage == STAGE_LISTENS) {
		connection_close(connection);
		return;
	}
	connection->input_size = error ? 0 : size;
	connection->ended |= error || !size;
	if (connection->stage == STAGE_SILENT)
		take_first_bytes(connection, calls);
	else
		free_if_over(connection);
}

static void take_written(struct connection *connection, DWORD error, DWORD size)
{
	connection->write_pending = false;
	connection->written = error ? 0 : size;
	connection->ended |= error || !size;
	free_if_over(connection);
}

/* False: nothing came in time. */
static bool take_packet(struct transport *transport, DWORD timeout_ms,
			const struct transport_calls *calls)
{
	ULONG_PTR key = 0;
	OVERLAPPED *overlapped = NULL;
	DWORD size = 0;
	BOOL done =
	    GetQueuedCompletionStatus(transport->port, &size, &key, &overlapped, timeout_ms);
	DWORD error = done ? ERROR_SUCCESS : GetLastError();
	struct connection *connection = (struct connection *)key;

	if (!connection)
		return done; /* somebody woke it */
	if (overlapped == &connection->reading)
		take_read(connection, error, size, calls);
	else
		take_written(connection, error, size);
	return true;
}

void transport_wait(struct transport *transport, int timeout_ms,
		    const struct transport_calls *calls)
{
	/* Those that were made when it was opened begin to listen now. */
	if (!transport->tended_ns)
		transport_tend(transport);
	DWORD timeout = is_any_ready(transport) ? 0 : (DWORD)timeout_ms;

	for (int i = 0; i < PACKETS_MOST && take_packet(transport, timeout, calls); i++)
		timeout = 0;
	for (struct connection *connection = transport->connections; connection;
	     connection = connection->next)
		if (is_readable(connection))
			calls->readable(connection->holder, calls->param);
}

void transport_wake(struct transport *transport)
{
	PostQueuedCompletionStatus(transport->port, 0, 0, NULL);
}

/* ---- open and close ---- */

static int explain_open(DWORD error, const struct transport *transport)
{
	if (error == ERROR_ACCESS_DENIED || error == ERROR_PIPE_BUSY)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "another program listens on %s: end it, or name another pipe",
				 transport->text);
	if (error == ERROR_INVALID_NAME || error == ERROR_PATH_NOT_FOUND)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s is no name of a pipe: it must be \\\\.\\pipe\\ and a word",
				 transport->text);
	return error_set_windows(error, "cannot listen on %s", transport->text);
}

int transport_open(const char *place, struct transport **opened)
{
	struct transport *transport = calloc(1, sizeof(*transport));
	int error = 0;

	if (!transport)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the readers' pipe");
	transport->name = wide_from_utf8(place);
	transport->text = _strdup(place);
	if (!transport->name || !transport->text)
		error = error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the readers' pipe");
	else if (!(transport->port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 1)))
		error = error_set_windows(GetLastError(), "cannot wait for readers");
	else if (!add_instance(transport, true))
		error = explain_open(GetLastError(), transport);
	if (error)
		transport_close(transport);
	else
		*opened = transport;
	return error;
}

/* Until the system has given all memory back; false: it keeps some. */
static bool wait_for_cancelled(struct transport *transport)
{
	static const struct transport_calls none = {NULL, NULL, NULL};
	uint64_t end = os_monotonic_ns() + CANCEL_MS * UINT64_C(1000000);

	while (transport->connections && os_monotonic_ns() < end)
		take_packet(transport, 10, &none);
	return !transport->connections;
}

void transport_close(struct transport *transport)
{
	if (!transport)
		return;
	for (struct connection *connection = transport->connections, *next; connection;
	     connection = next) {
		next = connection->next;
		if (connection->stage != STAGE_CLOSED)
			connection_close(connection);
	}
	/* What the system may still write to must stay. */
	if (!wait_for_cancelled(transport))
		return;
	if (transport->port)
		CloseHandle(transport->port);
	free(transport->name);
	free(transport->text);
	free(transport);
}

/* ---- who the peer is ---- */

uint32_t connection_owner(const struct connection *connection)
{
	return connection->peer.owner;
}

uint32_t connection_process(const struct connection *connection)
{
	return connection->peer.process;
}

bool connection_is_privileged(const struct connection *connection, const char *group)
{
	return peer_is_privileged(&connection->peer, group);
}
