/* SPDX-License-Identifier: MIT */
#include "pipe_reader.h"

#include "procobsrv.h"
#include "tap.h"

#define CONNECT_MS 5000
#define SEND_MS	   30000
#define GREET_MS   30000
#define ROOM	   65536u

DWORD pipe_reader_open(struct pipe_reader *reader)
{
	DWORD error = ERROR_SUCCESS;

	*reader = (struct pipe_reader){.input = BUFFER_EMPTY};
	reader->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	for (int attempt = 0; attempt < 20; attempt++) {
		reader->pipe = CreateFileW(
		    PIPE_READER_NAME, FILE_GENERIC_READ | FILE_WRITE_DATA, 0, NULL, OPEN_EXISTING,
		    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
		error = reader->pipe == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
		if (error != ERROR_PIPE_BUSY)
			break;
		WaitNamedPipeW(PIPE_READER_NAME, CONNECT_MS);
	}
	return error;
}

void pipe_reader_close(struct pipe_reader *reader)
{
	if (reader->pipe != INVALID_HANDLE_VALUE)
		CloseHandle(reader->pipe);
	reader->pipe = INVALID_HANDLE_VALUE;
	if (reader->event)
		CloseHandle(reader->event);
	reader->event = NULL;
	buffer_free(&reader->input);
}

/* How many bytes went over; 0: none within the limit, or the other end is gone. */
static DWORD finish(struct pipe_reader *reader, OVERLAPPED *overlapped, BOOL begun, DWORD limit_ms)
{
	DWORD size = 0;

	if (!begun && GetLastError() != ERROR_IO_PENDING)
		return 0;
	if (WaitForSingleObject(reader->event, limit_ms) != WAIT_OBJECT_0)
		CancelIo(reader->pipe);
	return GetOverlappedResult(reader->pipe, overlapped, &size, TRUE) ? size : 0;
}

bool pipe_reader_send(struct pipe_reader *reader, const void *data, size_t size)
{
	OVERLAPPED writing = {.hEvent = reader->event};

	ResetEvent(reader->event);
	BOOL begun = WriteFile(reader->pipe, data, (DWORD)size, NULL, &writing);
	return finish(reader, &writing, begun, SEND_MS) == size;
}

bool pipe_reader_ask(struct pipe_reader *reader, enum service_kind kind, const void *body,
		     size_t size)
{
	struct buffer frame = BUFFER_EMPTY;

	service_write(&frame, kind, body, size);
	bool sent = pipe_reader_send(reader, frame.data, frame.size);
	buffer_free(&frame);
	return sent;
}

static bool receive(struct pipe_reader *reader, DWORD limit_ms)
{
	OVERLAPPED reading = {.hEvent = reader->event};

	if (!buffer_reserve(&reader->input, ROOM))
		return false;
	ResetEvent(reader->event);
	BOOL begun =
	    ReadFile(reader->pipe, reader->input.data + reader->input.size, ROOM, NULL, &reading);
	DWORD size = finish(reader, &reading, begun, limit_ms);
	reader->input.size += size;
	return size > 0;
}

bool pipe_reader_take(struct pipe_reader *reader, struct service_answer *answer, DWORD limit_ms)
{
	for (;;) {
		int size = service_read_answer(reader->input.data + reader->taken,
					       reader->input.size - reader->taken, answer);
		if (size > 0) {
			reader->taken += (size_t)size;
			return true;
		}
		if (!check(size == 0, "what the service says is malformed: %s",
			   procobsrv_explain()))
			return false;
		memmove(reader->input.data, reader->input.data + reader->taken,
			reader->input.size - reader->taken);
		reader->input.size -= reader->taken;
		reader->taken = 0;
		if (!receive(reader, limit_ms))
			return false;
	}
}

bool pipe_reader_is_ended(struct pipe_reader *reader, DWORD limit_ms)
{
	while (reader->input.size = reader->taken = 0, receive(reader, limit_ms))
		;
	DWORD there;
	return !PeekNamedPipe(reader->pipe, NULL, 0, NULL, &there, NULL);
}

bool pipe_reader_greet(struct pipe_reader *reader, struct service_welcome *welcome)
{
	struct service_hello hello = {.record_version = RECORD_VERSION, .kinds = UINT32_MAX};
	struct service_answer answer;
	DWORD error = pipe_reader_open(reader);

	if (!check(!error, "cannot connect: error %lu", error) ||
	    !check(pipe_reader_ask(reader, SERVICE_HELLO, &hello, sizeof(hello)),
		   "the hello did not go out: error %lu", GetLastError()) ||
	    !check(pipe_reader_take(reader, &answer, GREET_MS), "no answer to the hello") ||
	    !check(answer.kind == SERVICE_WELCOME, "the answer to the hello is %u", answer.kind))
		return false;
	*welcome = answer.body.welcome;
	return true;
}
