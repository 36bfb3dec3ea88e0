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

/* What the loops need; their state is in the scratch. */
struct chunk_context {
	struct scratch *scratch;
	const struct observation *observation;
};

/* Sends one chunk of a size known to the compiler. 0: go on. */
#define SEND_CHUNK(type, writer, observation)                                                      \
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
			header_fill(&record->header, observation, RECORD_CHUNK, 0, sizeof(type));  \
			record->chunk.string = (writer)->string;                                   \
			record->chunk.length = sizeof(record->data);                               \
			record->chunk.offset = (writer)->offset;                                   \
			(writer)->offset += sizeof(record->data);                                  \
			bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);                              \
			stop = 0;                                                                  \
		}                                                                                  \
		stop;                                                                              \
	})

static __always_inline long send_large_chunk(const struct chunk_context *context)
{
	struct chunk_walk *walk = &context->scratch->chunk_walk;

	if (walk->length - walk->offset < RECORD_CHUNK_DATA)
		return 1;
	return SEND_CHUNK(struct chunk_record_large, walk, context->observation);
}

static __always_inline long send_small_chunk(const struct chunk_context *context)
{
	struct chunk_walk *walk = &context->scratch->chunk_walk;

	if (walk->length - walk->offset <= ARGUMENTS_TAKEN)
		return 1;
	return SEND_CHUNK(struct chunk_record_small, walk, context->observation);
}

#define MAX_SMALL_CHUNKS (RECORD_CHUNK_DATA / SMALL_CHUNK)

#ifdef PROCOBSRV_LEGACY
static __always_inline void send_chunks(struct chunk_context *context)
{
	for (uint32_t i = 0; i < MAX_LARGE_CHUNKS; i++)
		if (send_large_chunk(context))
			break;
	if (context->scratch->chunk_walk.missing)
		return;
	for (uint32_t i = 0; i < MAX_SMALL_CHUNKS; i++)
		if (send_small_chunk(context))
			break;
}
#else
static long send_large_chunk_callback(uint32_t index, struct chunk_context *context)
{
	return send_large_chunk(context);
}

static long send_small_chunk_callback(uint32_t index, struct chunk_context *context)
{
	return send_small_chunk(context);
}

static __always_inline void send_chunks(struct chunk_context *context)
{
	bpf_loop(MAX_LARGE_CHUNKS, send_large_chunk_callback, context, 0);
	if (!context->scratch->chunk_walk.missing)
		bpf_loop(MAX_SMALL_CHUNKS, send_small_chunk_callback, context, 0);
}
#endif

/* Takes the string from `start` to `end` in the process's memory. */
static __always_inline void append_user_memory(struct strings *strings, enum record_string string,
					       const struct observation *observation,
					       uint64_t start, uint64_t end)
{
	uint64_t length = end > start ? end - start : 0;
	uint64_t sent = 0;
	uint64_t at = strings->end;
	uint32_t missing = RECORD_WHOLE;
	uint32_t cut = RECORD_WHOLE;

	if (length > configuration.max_arguments) {
		length = configuration.max_arguments;
		cut = RECORD_MISSING_TRUNCATED;
	}
	if (length > ARGUMENTS_TAKEN) {
		struct chunk_walk *walk = &strings->scratch->chunk_walk;
		struct chunk_context context = {strings->scratch, observation};
		walk->address = start;
		walk->offset = 0;
		walk->length = length;
		walk->string = string;
		walk->missing = RECORD_WHOLE;
		send_chunks(&context);
		sent = *(volatile uint64_t *)&walk->offset;
		missing = walk->missing;
	}

	uint64_t rest = length - sent;
	if (!missing && rest > ARGUMENTS_TAKEN)
		cut = RECORD_MISSING_TRUNCATED;
	asm volatile("" : "+r"(rest)); /* the check stays where the verifier needs it */
	if (rest > ARGUMENTS_TAKEN)
		rest = ARGUMENTS_TAKEN;
	if (!missing && rest && at <= STRINGS_ROOM - ARGUMENTS_TAKEN) {
		if (bpf_probe_read_user(strings->scratch->strings + at, rest,
					(void *)(start + sent))) {
			missing = RECORD_MISSING_UNREADABLE;
		} else {
			strings->image->string_length[string] = rest;
			strings->end = at + rest;
		}
	}
	image_missing(strings->image, string, missing ? missing : cut);
}

#endif
