/* SPDX-License-Identifier: MIT */
#include "record_writer.h"

#include "os.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Memory that stays with an idle writer. */
#define KEEP_BYTES (1u << 20)

/* Most bytes of argv, and of env, in the record itself; what is more comes before it in chunks. */
#define INLINE_MOST 16384u

#define ALIGNED(size) (((size) + 7) & ~(size_t)7)

void record_writer_init(struct record_writer *writer, uint32_t kinds)
{
	static _Atomic uint32_t streams;
	uint64_t name = (uint64_t)os_process_id() << 32 | atomic_fetch_add(&streams, 1);

	/* Odd factors: what differs goes on differing. */
	*writer = (struct record_writer){
	    .kinds = kinds,
	    .stream = name * 0x9e3779b97f4a7c15u ^ (uint64_t)os_wall_ns(),
	};
}

void record_writer_free(struct record_writer *writer)
{
	arena_free(&writer->bytes);
	arena_free(&writer->index);
}

static void empty(struct record_writer *writer)
{
	arena_clear(&writer->bytes, KEEP_BYTES);
	arena_clear(&writer->index, KEEP_BYTES);
}

/* Room for one record, its header filled; what follows the header is the caller's to write. */
static struct record_header *begin(struct record_writer *writer, uint16_t kind, size_t size,
				   uint64_t time_ns)
{
	size_t before = writer->bytes.size;
	struct source_record *entry = arena_add(&writer->index, sizeof *entry);
	struct record_header *header;

	if (!entry)
		return NULL;
	header = arena_add(&writer->bytes, ALIGNED(size));
	if (!header) {
		writer->index.size -= sizeof *entry;
		return NULL;
	}
	entry->data = (const void *)(uintptr_t)before;
	entry->size = (uint32_t)size;
	entry->position = writer->position;
	writer->position += ALIGNED(size);

	memset((char *)header + size, 0, ALIGNED(size) - size);
	*header = (struct record_header){
	    .size = (uint32_t)size,
	    .version = RECORD_VERSION,
	    .kind = kind,
	    .number = writer->number,
	    .time_ns = time_ns,
	};
	memcpy(header->lost, writer->lost, sizeof header->lost);
	return header;
}

/* Writes all but the last INLINE_MOST bytes of a string as chunks; *rest is what remains. */
static bool write_chunks(struct record_writer *writer, uint64_t time_ns, enum record_string string,
			 struct record_bytes whole, struct record_bytes *rest)
{
	size_t offset = 0;

	*rest = whole;
	while (whole.size - offset > INLINE_MOST) {
		size_t length = whole.size - offset;
		struct record_header *header;
		struct record_chunk *chunk;

		if (length > RECORD_CHUNK_DATA)
			length = RECORD_CHUNK_DATA;
		header =
		    begin(writer, RECORD_CHUNK, sizeof *header + sizeof *chunk + length, time_ns);
		if (!header)
			return false;
		chunk = (struct record_chunk *)(header + 1);
		*chunk = (struct record_chunk){string, (uint32_t)length, offset};
		memcpy(chunk + 1, whole.data + offset, length);
		offset += length;
		*rest = (struct record_bytes){whole.data + offset, whole.size - offset};
	}
	return true;
}

/* Of the others only so much is taken that one record holds them. */
static bool is_vector(enum record_string string)
{
	return string == RECORD_STRING_ARGV || string == RECORD_STRING_ENV;
}

size_t record_writer_inline_size(enum record_string string, size_t size)
{
	if (!is_vector(string))
		return size;
	while (size > INLINE_MOST)
		size -= size < RECORD_CHUNK_DATA ? size : RECORD_CHUNK_DATA;
	return size;
}

static char *put(char *cursor, const void *part, size_t size)
{
	if (!part || !size)
		return cursor;
	memcpy(cursor, part, size);
	return cursor + size;
}

static bool write_event(struct record_writer *writer, const struct record_parts *parts)
{
	size_t size = sizeof(struct record_header) + sizeof *parts->body;
	struct record_bytes strings[RECORD_STRING_COUNT] = {0};
	struct record_image image;
	struct record_header *header;

	size += parts->start ? sizeof *parts->start : 0;
	size += parts->exit ? sizeof *parts->exit : 0;
	size += parts->attempt ? sizeof *parts->attempt : 0;
	if (parts->image) {
		image = *parts->image;
		size += sizeof image;
		for (int i = 0; i < RECORD_STRING_COUNT; i++) {
			/* Snapshots have no chunks: their records are of any length. */
			strings[i] = parts->strings[i];
			if (parts->kind != RECORD_EXISTING && is_vector(i) &&
			    !write_chunks(writer, parts->time_ns, i, parts->strings[i],
					  &strings[i]))
				return false;
			image.string_length[i] = (uint32_t)strings[i].size;
			size += strings[i].size;
		}
	}

	header = begin(writer, parts->kind, size, parts->time_ns);
	if (!header)
		return false;
	char *cursor = put((char *)(header + 1), parts->body, sizeof *parts->body);
	cursor = put(cursor, parts->start, sizeof *parts->start);
	cursor = put(cursor, parts->exit, sizeof *parts->exit);
	cursor = put(cursor, parts->attempt, sizeof *parts->attempt);
	if (parts->image) {
		header->flags |= RECORD_HAS_IMAGE | parts->flags;
		cursor = put(cursor, &image, sizeof image);
		for (int i = 0; i < RECORD_STRING_COUNT; i++)
			cursor = put(cursor, strings[i].data, strings[i].size);
	}
	return true;
}

void record_writer_add(struct record_writer *writer, const struct record_parts *parts)
{
	size_t bytes = writer->bytes.size, index = writer->index.size;
	uint64_t position = writer->position;

	if (writer->kinds && parts->kind != RECORD_EXISTING && !(writer->kinds & 1u << parts->kind))
		return;
	writer->number++;
	if (write_event(writer, parts))
		return;
	/* Chunks without their record would be of no use. */
	writer->bytes.size = bytes;
	writer->index.size = index;
	writer->position = position;
	if (parts->kind <= RECORD_LOST_KINDS)
		writer->lost[RECORD_LOST_INDEX(parts->kind)]++;
}

void record_writer_gap(struct record_writer *writer, uint64_t time_ns, const struct record_gap *gap)
{
	struct record_header *header =
	    begin(writer, RECORD_GAP, sizeof *header + sizeof *gap, time_ns);

	if (header)
		*(struct record_gap *)(header + 1) = *gap;
}

void record_writer_statistics(const struct record_writer *writer,
			      struct source_statistics *statistics)
{
	memset(statistics, 0, offsetof(struct source_statistics, sequences));
	statistics->stream = writer->stream;
	statistics->produced = statistics->released = writer->position;
	statistics->sequence_count = 1;
	statistics->sequences[0].number = writer->number;
	memcpy(statistics->sequences[0].lost, writer->lost, sizeof writer->lost);
}

/* Turns offsets into addresses: the bytes do not move any more. */
static struct source_record *resolve(struct record_writer *writer, size_t *count)
{
	struct source_record *records = (struct source_record *)writer->index.data;

	*count = writer->index.size / sizeof *records;
	for (size_t i = 0; i < *count; i++)
		records[i].data = writer->bytes.data + (uintptr_t)records[i].data;
	return records;
}

void record_writer_lend(struct record_writer *writer, source_on_batch on_batch, void *param)
{
	struct source_batch batch = {.stream = writer->stream, .resume = writer->position};

	batch.records = resolve(writer, &batch.count);
	if (batch.count)
		on_batch(&batch, param);
	empty(writer);
}

void record_writer_lend_each(struct record_writer *writer, source_on_record on_record, void *param)
{
	size_t count;
	struct source_record *records = resolve(writer, &count);

	for (size_t i = 0; i < count; i++)
		on_record(records[i].data, records[i].size, param);
	empty(writer);
}
