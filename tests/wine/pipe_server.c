/* SPDX-License-Identifier: MIT */
#include "pipe_server.h"

#include "os.h"
#include "procobsrv.h"
#include "record_build.h"
#include "record_encode.h"
#include "windows/security.h"
#include "tap.h"

#include <sddl.h>
#include <stdio.h>
#include <string.h>

#define NO_FRAME SIZE_MAX
#define STREAM	 77
#define EPOCH	 5
/* Both ways: a request waits there, and so does half of a frame. */
#define PIPE_SIZE 65536

static const struct procobsrv_process parent = {
    .id = "boot-10-1",
    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_START,
    .start_boot_ns = 1000000000,
    .pid = 10,
    .ppid = 4,
    .flags = PROCOBSRV_PROCESS_WTF8,
    .name = "explorer.exe",
    .exe = "C:\\Windows\\explorer.exe",
    .command_line = "explorer.exe",
};

/* ---- connections ---- */

static HANDLE make_pipe(const struct pipe_server *server, SECURITY_ATTRIBUTES *attributes)
{
	return CreateNamedPipeW(server->name, PIPE_ACCESS_DUPLEX,
				PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT,
				PIPE_UNLIMITED_INSTANCES, PIPE_SIZE, PIPE_SIZE, 0, attributes);
}

static bool make_instance(struct pipe_server *server)
{
	SECURITY_ATTRIBUTES attributes = {.nLength = sizeof(attributes)};
	struct security_private own;

	server->pipe = INVALID_HANDLE_VALUE;
	if (!server->rights) {
		if (security_private_init(&own))
			server->pipe = make_pipe(server, &own.attributes);
	} else if (ConvertStringSecurityDescriptorToSecurityDescriptorW(
		       server->rights, SDDL_REVISION_1, &attributes.lpSecurityDescriptor, NULL)) {
		server->pipe = make_pipe(server, &attributes);
		LocalFree(attributes.lpSecurityDescriptor);
	}
	return server->pipe != INVALID_HANDLE_VALUE;
}

bool pipe_server_open(struct pipe_server *server, const wchar_t *name, const wchar_t *rights)
{
	*server = (struct pipe_server){
	    .name = name,
	    .rights = rights,
	    .frame = NO_FRAME,
	    .born_ns = os_boot_ns(),
	};
	record_writer_init(&server->writer, 0);
	return make_instance(server);
}

void pipe_server_close(struct pipe_server *server)
{
	if (server->pipe != INVALID_HANDLE_VALUE)
		CloseHandle(server->pipe);
	record_writer_free(&server->writer);
	buffer_free(&server->input);
	buffer_free(&server->output);
	buffer_free(&server->scratch);
}

bool pipe_server_accept(struct pipe_server *server)
{
	DWORD error = ConnectNamedPipe(server->pipe, NULL) ? ERROR_SUCCESS : GetLastError();

	/* It may have come before, and be gone. */
	return check(error == ERROR_SUCCESS || error == ERROR_PIPE_CONNECTED ||
			 error == ERROR_NO_DATA,
		     "no reader came: error %lu", error);
}

bool pipe_server_hang_up(struct pipe_server *server)
{
	HANDLE before = server->pipe;
	bool made = check(make_instance(server), "no other instance of the pipe");

	CloseHandle(before);
	server->input.size = 0;
	return made;
}

/* ---- requests ---- */

static bool receive(struct pipe_server *server)
{
	DWORD size;

	if (!buffer_reserve(&server->input, SERVICE_REQUEST_MOST) ||
	    !ReadFile(server->pipe, server->input.data + server->input.size, SERVICE_REQUEST_MOST,
		      &size, NULL))
		return false;
	server->input.size += size;
	return true;
}

static void drop_request(struct pipe_server *server, size_t size)
{
	memmove(server->input.data, server->input.data + size, server->input.size - size);
	server->input.size -= size;
}

bool pipe_server_expect(struct pipe_server *server, enum service_kind kind,
			struct service_request *request)
{
	int used;

	while (!(used = service_read_request(server->input.data, server->input.size, request)))
		if (!check(receive(server), "the reader is gone before it asks %d", (int)kind))
			return false;
	if (!check(used > 0, "the reader asks what is no request: %s", procobsrv_explain()))
		return false;
	drop_request(server, (size_t)used);
	return check(request->kind == (uint16_t)kind, "the reader asks %d and not %d",
		     request->kind, (int)kind);
}

void pipe_server_expect_end(struct pipe_server *server)
{
	while (receive(server))
		server->input.size = 0;
	DWORD error = GetLastError();
	check(error == ERROR_BROKEN_PIPE, "the connection ends with error %lu", error);
}

/* ---- answers ---- */

void pipe_server_send(struct pipe_server *server, const void *data, size_t size)
{
	const char *at = data;
	DWORD written;

	while (size > 0) {
		size_t piece = server->piece && server->piece < size ? server->piece : size;

		if (!WriteFile(server->pipe, at, (DWORD)piece, &written, NULL))
			return; /* the reader has ended: the test looks at that */
		at += written;
		size -= written;
	}
}

static void send_output(struct pipe_server *server)
{
	check(!server->output.failed, "out of memory");
	pipe_server_send(server, server->output.data, server->output.size);
	server->output.size = 0;
}

static struct service_cursor cursor_of(const struct pipe_server *server)
{
	return (struct service_cursor){
	    .epoch = EPOCH,
	    .offset = server->position,
	    .stream = STREAM,
	    .position = server->position,
	    .seq = server->writer.number,
	    .number = server->writer.number,
	};
}

void pipe_server_welcome(struct pipe_server *server, const char *limits)
{
	struct service_welcome welcome = {
	    .record_version = RECORD_VERSION,
	    .rights = SERVICE_RIGHTS_ALL,
	    .kinds = UINT32_MAX,
	    .cursor = cursor_of(server),
	    .boot = "00000000-0000-0000-8000-000000000000",
	    .backend = "driver",
	};

	snprintf(welcome.limits, sizeof(welcome.limits), "%s", limits);
	service_write(&server->output, SERVICE_WELCOME, &welcome, sizeof(welcome));
}

static void answer_snapshot(struct pipe_server *server, uint32_t id)
{
	struct service_snapshot_end end = {.id = id, .count = 1, .position = server->position};
	size_t frame = service_write(&server->output, SERVICE_SNAPSHOT_PART, NULL, 0);

	server->scratch.size = 0;
	record_build_existing_of(&parent, &server->scratch);
	service_write_more(&server->output, frame, server->scratch.data, server->scratch.size);
	service_write(&server->output, SERVICE_SNAPSHOT_END, &end, sizeof(end));
	send_output(server);
}

bool pipe_server_greet(struct pipe_server *server, struct service_hello *hello)
{
	struct service_request request;

	if (!pipe_server_accept(server) || !pipe_server_expect(server, SERVICE_HELLO, &request))
		return false;
	*hello = request.body.hello;
	pipe_server_welcome(server, "misses nothing but Tuesdays");
	send_output(server);
	if (!pipe_server_expect(server, SERVICE_SNAPSHOT, &request))
		return false;
	answer_snapshot(server, request.body.snapshot.id);
	return true;
}

void pipe_server_settle(struct pipe_server *server)
{
	struct service_figures figures = {.position = server->position, .readers = 1};
	struct service_request request;

	if (!pipe_server_expect(server, SERVICE_STATISTICS, &request))
		return;
	check(request.body.inquiry.flags == SERVICE_SETTLED, "it asks something else: %u",
	      request.body.inquiry.flags);
	figures.id = request.body.inquiry.id;
	service_write(&server->output, SERVICE_FIGURES, &figures, sizeof(figures));
	send_output(server);
}

/* ---- records ---- */

static void append_records(const struct source_batch *batch, void *param)
{
	struct pipe_server *server = param;

	if (server->frame == NO_FRAME) {
		struct service_records records = {0};
		server->frame =
		    service_write(&server->output, SERVICE_RECORDS, &records, sizeof(records));
	}
	for (size_t i = 0; i < batch->count; i++) {
		const struct record_header *header = batch->records[i].data;
		uint64_t position = server->position++;

		service_write_record(&server->output, server->frame, &position, header, header);
	}
}

static void append_event(struct pipe_server *server, enum procobsrv_kind kind, uint32_t pid,
			 const struct procobsrv_exit *exit)
{
	const struct procobsrv_process process = {
	    .id = "boot-pid",
	    .present = PROCOBSRV_HAS_PPID | PROCOBSRV_HAS_START,
	    .start_boot_ns = server->born_ns,
	    .pid = pid,
	    .ppid = parent.pid,
	    .flags = PROCOBSRV_PROCESS_WTF8,
	    .name = "program.exe",
	    .exe = "C:\\program.exe",
	    .command_line = "program.exe \"a b\"",
	};
	const struct procobsrv_event event = {
	    .kind = kind,
	    .boot_ns = os_boot_ns(),
	    .process = &process,
	    .parent = &parent,
	    .exit = exit,
	};

	check(record_encode(&server->writer, &event, &server->scratch), "no record");
	record_writer_lend(&server->writer, append_records, server);
}

void pipe_server_start(struct pipe_server *server, uint32_t pid)
{
	append_event(server, PROCOBSRV_START, pid, NULL);
}

void pipe_server_exit(struct pipe_server *server, uint32_t pid, uint32_t code)
{
	const struct procobsrv_exit exit = {.code = code, .has_status = 1};

	append_event(server, PROCOBSRV_EXIT, pid, &exit);
}

void pipe_server_end_frame(struct pipe_server *server)
{
	struct service_records records = {.after = cursor_of(server)};

	if (server->frame != NO_FRAME && !server->output.failed)
		memcpy(server->output.data + server->frame + sizeof(struct service_frame), &records,
		       sizeof(records));
	server->frame = NO_FRAME;
}

void pipe_server_flush(struct pipe_server *server)
{
	pipe_server_end_frame(server);
	send_output(server);
}
