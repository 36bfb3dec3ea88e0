/* SPDX-License-Identifier: MIT */
#include "record_writer.h"

#include <string.h>

#define MISSING(string, reason) ((uint32_t)(reason) << RECORD_MISSING_SHIFT(string))

/* What this observer tells of no process. */
#define NEVER_TAKEN                                                                                \
	(MISSING(RECORD_STRING_CWD, RECORD_MISSING_NOT_TAKEN) |                                    \
	 MISSING(RECORD_STRING_FILENAME, RECORD_MISSING_NOT_TAKEN) |                               \
	 MISSING(RECORD_STRING_INTERPRETER, RECORD_MISSING_NOT_TAKEN) |                            \
	 MISSING(RECORD_STRING_ARGV, RECORD_MISSING_NOT_TAKEN) |                                   \
	 MISSING(RECORD_STRING_ENV, RECORD_MISSING_NOT_TAKEN))

#define START_FIXED_SIZE                                                                           \
	(uint32_t)(sizeof(struct record_header) + sizeof(struct record_body) +                     \
		   sizeof(struct record_start) + sizeof(struct record_image))
#define EXIT_SIZE                                                                                  \
	(uint32_t)(sizeof(struct record_header) + sizeof(struct record_body) +                     \
		   sizeof(struct record_exit))

_Static_assert(START_FIXED_SIZE + WRITER_SID_SIZE_MAX + WRITER_EXE_SIZE_MAX < RECORD_SIZE_MAX,
	       "the command line must have room");
_Static_assert(EXIT_SIZE % 8 == 0, "records are multiples of 8");
_Static_assert(RING_SIZE_MIN >= 2 * RECORD_SIZE_MAX, "any record must fit");

/* Where the next part of a record goes. */
struct writing {
	struct ring *ring;
	uint64_t position;
};

static void put(struct writing *writing, const void *data, uint32_t size)
{
	ring_write(writing->ring, writing->position, data, size);
	writing->position += size;
}

static void put_header_and_body(struct writing *writing, const struct observation *observation,
				uint32_t size, uint32_t flags, uint64_t now_ns)
{
	struct record_header header = {
	    .size = size,
	    .version = RECORD_VERSION,
	    .kind = (uint16_t)observation->kind,
	    .flags = flags,
	    .number = writing->ring->number + 1,
	    .time_ns = now_ns,
	};
	struct record_body body = {
	    .process = observation->process,
	    .parent = observation->parent,
	    .credentials = {.uid = RECORD_ID_UNKNOWN,
			    .gid = RECORD_ID_UNKNOWN,
			    .euid = RECORD_ID_UNKNOWN,
			    .egid = RECORD_ID_UNKNOWN,
			    .loginuid = RECORD_ID_UNKNOWN,
			    .session = observation->session},
	    .process_flags = RECORD_PROCESS_NO_CREDENTIALS,
	};

	/* A clock that was set back, or is coarser than the process's: none ends before it began.
	 */
	if (header.time_ns < observation->process.start_ns)
		header.time_ns = observation->process.start_ns;
	put(writing, &header, sizeof header);
	put(writing, &body, sizeof body);
}

/* How much of a text is taken, at most `room` bytes and whole units; notes in *missing why not all.
 */
static uint32_t fit(const struct observed_text *text, enum record_string string, uint32_t room,
		    struct record_image *image)
{
	uint32_t size = text->size & ~1u;
	enum record_missing missing = text->missing;

	if (missing != RECORD_WHOLE)
		size = 0;
	if (size > room) {
		size = room & ~1u;
		missing = RECORD_MISSING_TRUNCATED;
	}
	image->string_length[string] = size;
	image->missing |= MISSING(string, missing);
	return size;
}

static void put_text(struct writing *writing, const struct observed_text *text, uint32_t size)
{
	if (size)
		ring_write_pageable(writing->ring, writing->position, text->units, size);
	writing->position += size;
}

static void write_start(struct ring *ring, const struct observation *observation, uint64_t now_ns)
{
	static const uint8_t zeros[8];
	struct record_start start = {.creator = observation->creator};
	struct record_image image = {.missing = NEVER_TAKEN,
				     .thread_pid = observation->process.pid};
	uint32_t size = START_FIXED_SIZE;

	size += fit(&observation->sid, RECORD_STRING_SID, WRITER_SID_SIZE_MAX, &image);
	size += fit(&observation->exe, RECORD_STRING_EXE, WRITER_EXE_SIZE_MAX, &image);
	size += fit(&observation->command_line, RECORD_STRING_COMMAND_LINE, RECORD_SIZE_MAX - size,
		    &image);
	uint32_t padding = -size & 7;
	size += padding;

	ring_reserve(ring, size);
	struct writing writing = {ring, ring->head};
	put_header_and_body(&writing, observation, size, RECORD_HAS_IMAGE | RECORD_UTF16, now_ns);
	put(&writing, &start, sizeof start);
	put(&writing, &image, sizeof image);
	put_text(&writing, &observation->exe, image.string_length[RECORD_STRING_EXE]);
	put_text(&writing, &observation->command_line,
		 image.string_length[RECORD_STRING_COMMAND_LINE]);
	put_text(&writing, &observation->sid, image.string_length[RECORD_STRING_SID]);
	put(&writing, zeros, padding);
	ring_commit(ring, RECORD_START, size);
}

static void write_exit(struct ring *ring, const struct observation *observation, uint64_t now_ns)
{
	ring_reserve(ring, EXIT_SIZE);
	struct writing writing = {ring, ring->head};
	put_header_and_body(&writing, observation, EXIT_SIZE, 0, now_ns);
	put(&writing, &observation->exit, sizeof observation->exit);
	ring_commit(ring, RECORD_EXIT, EXIT_SIZE);
}

void record_write(struct ring *ring, const struct observation *observation, uint64_t now_ns)
{
	if (observation->kind == RECORD_START)
		write_start(ring, observation, now_ns);
	else
		write_exit(ring, observation, now_ns);
}
