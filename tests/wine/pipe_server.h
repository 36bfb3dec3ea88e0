/* SPDX-License-Identifier: MIT */
/*
 * The service's end of a pipe, for tests of who reads there: says what a test tells it to say, in
 * the order in which the test does. One thread at a time. What fails, fails the running case.
 */
#ifndef PROCOBSRV_TESTS_WINE_PIPE_SERVER_H
#define PROCOBSRV_TESTS_WINE_PIPE_SERVER_H

#include "record_writer.h"
#include "service_protocol.h"

#include <windows.h>

struct pipe_server {
	const wchar_t *name;
	const wchar_t *rights; /* SDDL; NULL: this user's */
	HANDLE pipe;
	struct buffer input;  /* requests that have not been looked at */
	struct buffer output; /* frames that have not been sent */
	struct buffer scratch;
	struct record_writer writer;
	uint64_t born_ns; /* when its processes start */
	uint64_t position;
	size_t frame; /* of records, in output */
	size_t piece; /* bytes that are written at once; 0: all */
};

/* Makes the pipe. */
bool pipe_server_open(struct pipe_server *server, const wchar_t *name, const wchar_t *rights);
void pipe_server_close(struct pipe_server *server);

/* Waits for a reader to come. */
bool pipe_server_accept(struct pipe_server *server);
/* Ends the connection; another reader can come meanwhile. */
bool pipe_server_hang_up(struct pipe_server *server);

/* Waits for the next request and checks that it is of this kind. */
bool pipe_server_expect(struct pipe_server *server, enum service_kind kind,
			struct service_request *request);
/* Waits for the reader to end the connection, whatever it says until then. */
void pipe_server_expect_end(struct pipe_server *server);

void pipe_server_send(struct pipe_server *server, const void *data, size_t size);
/* The welcome is sent with what is flushed next. */
void pipe_server_welcome(struct pipe_server *server, const char *limits);
/* Takes hello and the question for a snapshot, and answers both: one process runs, pid 10. */
bool pipe_server_greet(struct pipe_server *server, struct service_hello *hello);
/* Takes the question how far to go when all has been observed, and answers. */
void pipe_server_settle(struct pipe_server *server);

/* The frame of records that is sent next gets one more: pid starts, a child of 10; pid ends. */
void pipe_server_start(struct pipe_server *server, uint32_t pid);
void pipe_server_exit(struct pipe_server *server, uint32_t pid, uint32_t code);
/* Ends that frame. pipe_server_flush() sends it, too. */
void pipe_server_end_frame(struct pipe_server *server);
void pipe_server_flush(struct pipe_server *server);

#endif
