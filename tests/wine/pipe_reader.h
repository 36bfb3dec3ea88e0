/* SPDX-License-Identifier: MIT */
/* A reader of the service that says and takes frames by itself, right ones and wrong ones. */
#ifndef PROCOBSRV_TESTS_WINE_PIPE_READER_H
#define PROCOBSRV_TESTS_WINE_PIPE_READER_H

#include "service_protocol.h"

#include <windows.h>

#define PIPE_READER_NAME L"\\\\.\\pipe\\procobsrvd"

struct pipe_reader {
	HANDLE pipe;
	HANDLE event;
	struct buffer input;
	size_t taken; /* bytes of it */
};

/* Connects, and says nothing; 0 or the system's error. Waits for an instance of the pipe. */
DWORD pipe_reader_open(struct pipe_reader *reader);
void pipe_reader_close(struct pipe_reader *reader);

/* Whether all of it went out within seconds. */
bool pipe_reader_send(struct pipe_reader *reader, const void *data, size_t size);
bool pipe_reader_ask(struct pipe_reader *reader, enum service_kind kind, const void *body,
		     size_t size);

/* The next frame; false: none came within the limit, or the connection has ended. The answer is
 * valid until the next call. */
bool pipe_reader_take(struct pipe_reader *reader, struct service_answer *answer, DWORD limit_ms);

/* Whether the service ends the connection within the limit; what else comes is passed over. */
bool pipe_reader_is_ended(struct pipe_reader *reader, DWORD limit_ms);

/* Connects, says hello, and takes the welcome. A failed check otherwise. */
bool pipe_reader_greet(struct pipe_reader *reader, struct service_welcome *welcome);

#endif
