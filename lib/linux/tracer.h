/* SPDX-License-Identifier: MIT */
/*
 * The tracer: a process of its own that follows a tree by ptrace and writes records into a socket.
 * It is a copy of the embedding process, made by a bare clone() while other threads of that may
 * have held any lock: nothing here may call malloc, stdio or anything else that locks.
 */
#ifndef PROCOBSRV_LIB_LINUX_TRACER_H
#define PROCOBSRV_LIB_LINUX_TRACER_H

#include "proc_process.h"
#include "record.h"

#include <stdint.h>

struct tracer_options {
	int socket; /* a stream; its end of file tells the tracer to end */
	uint32_t root_pid;
	uint32_t kinds; /* mask of 1u << enum record_kind */
	struct proc_image_options image;
};

/*
 * What comes through the socket are records, each padded to 8 bytes. Between them stand messages,
 * which begin like a record of kind 0. First RECORD_EXISTING for each process that is followed from
 * now on, then TRACER_READY, then what happens, then TRACER_END.
 */
enum tracer_message_type {
	TRACER_READY = 1,
	TRACER_END = 2, /* nobody is followed any more, or the tracer was told to end */
};

struct tracer_message {
	struct record_header header;
	uint32_t type;	     /* enum tracer_message_type */
	int32_t error;	     /* READY: an errno; the root cannot be followed */
	uint32_t unfollowed; /* READY: descendants that could not be attached to */
	uint32_t reserved;
};

/* Runs the tracer in this process, which ends with it. */
_Noreturn void tracer_run(const struct tracer_options *options);

#endif
