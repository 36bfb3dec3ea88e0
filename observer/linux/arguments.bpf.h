/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * argv and env: what is longer than the record takes goes ahead of it in chunks, copied from the
 * process's memory into the ring directly, in two sizes since what is reserved must be constant.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_ARGUMENTS_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_ARGUMENTS_BPF_H

#include "ring.bpf.h"
#include "strings.bpf.h"

#define SMALL_CHUNK 4096

struct chunk_record_small {
	struct record_header header;
	struct record_chunk chunk;
	char data[SMALL_CHUNK];
};

struct chunk_record_large {
	struct record_header header;
	struct record_chunk chunk;
	char data[RECORD_CHUNK_DATA];
};

struct chunk_writer {
	const struct observation *observation;
	uint64_t address; /* of the string's first byte */
	uint64_t offset;  /* of what comes next */
	uint64_t length;  /* of the whole string */
	uint32_t string;
	uint32_t missing; /* enum record_missing */
};

/* Sends one chunk of a size known to the compiler. 0: go on. */
#define SEND_CHUNK(type, writer)                                                                   \
	({                                                                                         \
		long stop = 1;                                                                     \
		type *record = bpf_ringbuf_reserve(&ring, sizeof(type), 0);                        \
		if (!record) {                                                                     \
			(writer)->missing = RECORD_MISSING_NO_ROOM;                                \
		} else if (bpf_probe_read_user(record->data, sizeof(record->data),                 \
					       (void *)((writer)->address + (writer)->offset))) {  \
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);                             \
			(writer)->missing = RECORD_MISSING_UNREADABLE;                             \
		} else {                                                                           \
			header_fill(&record->header, (writer)->observation, RECORD_CHUNK, 0,       \
				    sizeof(type));                                                 \
			record->chunk.string = (writer)->string;                                   \
			record->chunk.length = sizeof(record->data);                               \
			record->chunk.offset = (writer)->offset;                                   \
			(writer)->offset += sizeof(record->data);                                  \
			bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);                              \
			stop = 0;                                                                  \
		}                                                                                  \
		stop;                                                                              \
	})

static __always_inline long send_large_chunk(struct chunk_writer *writer)
{
	if (writer->length - writer->offset < RECORD_CHUNK_DATA)
		return 1;
	return SEND_CHUNK(struct chunk_record_large, writer);
}

static __always_inline long send_small_chunk(struct chunk_writer *writer)
{
	if (writer->length - writer->offset <= ARGUMENTS_TAKEN)
		return 1;
	return SEND_CHUNK(struct chunk_record_small, writer);
}

#define MAX_SMALL_CHUNKS (RECORD_CHUNK_DATA / SMALL_CHUNK)

#ifdef PROCOBSRV_LEGACY
static __always_inline void send_chunks(struct chunk_writer *writer)
{
	for (uint32_t i = 0; i < MAX_LARGE_CHUNKS; i++)
		if (send_large_chunk(writer))
			break;
	for (uint32_t i = 0; i < MAX_SMALL_CHUNKS; i++)
		if (writer->missing || send_small_chunk(writer))
			break;
}
#else
static long send_large_chunk_callback(uint32_t index, struct chunk_writer *writer)
{
	return send_large_chunk(writer);
}

static long send_small_chunk_callback(uint32_t index, struct chunk_writer *writer)
{
	return send_small_chunk(writer);
}

static __always_inline void send_chunks(struct chunk_writer *writer)
{
	bpf_loop(MAX_LARGE_CHUNKS, send_large_chunk_callback, writer, 0);
	if (!writer->missing)
		bpf_loop(MAX_SMALL_CHUNKS, send_small_chunk_callback, writer, 0);
}
#endif

/* Takes the string from `start` to `end` in the process's memory. */
static __always_inline void append_user_memory(struct strings *strings, enum record_string string,
					       const struct observation *observation,
					       uint64_t start, uint64_t end)
{
	struct chunk_writer writer = {
	    .observation = observation,
	    .address = start,
	    .length = end > start ? end - start : 0,
	    .string = string,
	};
	uint64_t at = strings->end;

	if (writer.length > configuration.max_arguments) {
		writer.length = configuration.max_arguments;
		writer.missing = RECORD_MISSING_TRUNCATED;
	}
	uint32_t cut = writer.missing;
	writer.missing = RECORD_WHOLE;
	if (writer.length > ARGUMENTS_TAKEN)
		send_chunks(&writer);

	uint64_t rest = writer.length - writer.offset;
	if (!writer.missing && rest > ARGUMENTS_TAKEN) {
		rest = ARGUMENTS_TAKEN;
		cut = RECORD_MISSING_TRUNCATED;
	}
	if (rest > ARGUMENTS_TAKEN) /* only with something missing; for the verifier */
		rest = 0;
	if (!writer.missing && rest && at <= STRINGS_ROOM - ARGUMENTS_TAKEN) {
		if (bpf_probe_read_user(strings->scratch->strings + at, rest,
					(void *)(start + writer.offset))) {
			writer.missing = RECORD_MISSING_UNREADABLE;
		} else {
			strings->image->string_length[string] = rest;
			strings->end = at + rest;
		}
	}
	image_missing(strings->image, string, writer.missing ? writer.missing : cut);
}

#endif
