/* SPDX-License-Identifier: MIT */
/*
 * Writes what was observed into the ring, as observer/record.h has it: a start with its image, or
 * an exit. The record's size is a multiple of 8: zeros after the strings complete it.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_RECORD_WRITER_H
#define PROCOBSRV_OBSERVER_WINDOWS_RECORD_WRITER_H

#include "ring.h"

/* The most bytes of each that a record takes; the command line has what these leave. */
#define WRITER_SID_SIZE_MAX 512u
#define WRITER_EXE_SIZE_MAX 32768u

/* A string of UTF-16LE; what it points to may be paged out. */
struct observed_text {
	const void *units;
	uint32_t size;		     /* bytes */
	enum record_missing missing; /* if not RECORD_WHOLE: why there is none; size is 0 then */
};

struct observation {
	enum record_kind kind;		/* RECORD_START or RECORD_EXIT */
	struct record_identity process; /* pid is never 0 */
	struct record_identity parent;	/* zeros where not known, as creator */
	uint32_t session;		/* RECORD_ID_UNKNOWN: not known */
	/* start alone: */
	struct record_identity creator;
	struct observed_text exe; /* in the kernel's form: \Device\HarddiskVolume2\... */
	struct observed_text command_line;
	struct observed_text sid; /* S-1-5-... */
	/* exit alone: */
	struct record_exit exit;
};

/* Takes the next number. Called under os_lock. */
void record_write(struct ring *ring, const struct observation *observation, uint64_t now_ns);

#endif
