/* SPDX-License-Identifier: MIT */
#include "spill.h"
#include "checksum.h"
#include "error.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FILE_SIZE     (16ull * 1024 * 1024)
#define FILES_MAX     64 /* each holds a descriptor of the embedding program */
#define FILE_SIZE_MAX (1024ull * 1024 * 1024)

struct spill_file {
	struct spill_file *next;
	struct os_file *file;
	uint64_t end; /* where the next block goes: the writer's */
	size_t live;  /* blocks that are needed still: under the queue's lock */
};

struct spill {
	char *directory; /* owned */
	uint64_t size;
	uint64_t file_size;
	uint64_t generation;
	uint32_t process;
	bool keep;

	/* Under the queue's lock: */
	struct spill_block *first, **last_end;
	struct spill_file *files;
	struct spill_file *current; /* the writer uses it without the lock while `writing` */
	bool writing;

	/* The writer's: */
	uint32_t order;
	int failure; /* why the disk failed, and when: */
	uint64_t failed_ns;
	char *table; /* a block's header and entries; owned */

	atomic_uint_fast64_t used, total;
};

/* Bytes of header and entries for the most records that a segment of `size` bytes can hold. */
static size_t table_size(size_t size)
{
	return sizeof(struct spill_block_header) +
	       size / SEGMENT_NEED(sizeof(struct record_header)) * sizeof(struct spill_entry);
}

int spill_create(const char *directory, bool keep, uint64_t size, size_t block_size,
		 struct spill **spill)
{
	struct spill *new_spill = calloc(1, sizeof(*new_spill));

	if (!new_spill)
		goto no_memory;
	new_spill->table = malloc(table_size(block_size));
	if (!new_spill->table)
		goto no_memory;
	/* Now, not when the listener first writes: the program may change its environment by then.
	 */
	new_spill->directory = strdup(directory ? directory : os_temporary_directory());
	if (!new_spill->directory)
		goto no_memory;
	new_spill->keep = keep;
	new_spill->size = size;
	/* Small files give their room back early; large ones keep the descriptors few. */
	new_spill->file_size = size / FILES_MAX;
	if (new_spill->file_size > FILE_SIZE_MAX)
		new_spill->file_size = FILE_SIZE_MAX;
	if (new_spill->file_size < FILE_SIZE && size >= 4 * FILE_SIZE)
		new_spill->file_size = FILE_SIZE;
	if (new_spill->file_size < block_size + sizeof(struct spill_file_header))
		new_spill->file_size = block_size + sizeof(struct spill_file_header);
	new_spill->generation = (uint64_t)os_wall_ns();
	new_spill->process = os_process_id();
	new_spill->last_end = &new_spill->first;
	*spill = new_spill;
	return 0;

no_memory:
	if (new_spill)
		free(new_spill->table);
	free(new_spill);
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the spill");
}

void spill_destroy(struct spill *spill, bool remove)
{
	if (!spill)
		return;
	while (spill->first)
		free(spill_pop(spill));
	while (spill->files) {
		struct spill_file *file = spill->files;

		spill->files = file->next;
		os_file_close(file->file, remove);
		free(file);
	}
	free(spill->directory);
	free(spill->table);
	free(spill);
}

bool spill_holds(const struct spill *spill)
{
	return spill->first != NULL;
}

uint64_t spill_used(const struct spill *spill)
{
	return atomic_load_explicit(&spill->used, memory_order_relaxed);
}

uint64_t spill_total(const struct spill *spill)
{
	return atomic_load_explicit(&spill->total, memory_order_relaxed);
}

static void count_written(struct spill *spill, uint64_t size)
{
	atomic_fetch_add_explicit(&spill->used, size, memory_order_relaxed);
	atomic_fetch_add_explicit(&spill->total, size, memory_order_relaxed);
}

static int write_file_header(struct spill *spill, struct os_file *file)
{
	struct spill_file_header header = {
	    .magic = SPILL_FILE_MAGIC,
	    .version = SPILL_VERSION,
	    .process = spill->process,
	    .generation = spill->generation,
	    .order = spill->order + 1,
	};
	char boot[37];

	if (os_boot_id(boot))
		memcpy(header.boot, boot, sizeof(boot));
	header.checksum = checksum_add(0, &header, sizeof(header));
	return os_file_write(file, 0, &header, sizeof(header));
}

/* 0 or an errno. */
static int make_file(struct spill *spill, struct spill_file **file)
{
	struct spill_file *new_file = calloc(1, sizeof(*new_file));
	int error;

	if (!new_file)
		return ENOMEM;
	errno = 0;
	if (os_file_create_private(spill->directory, SPILL_PREFIX, &new_file->file)) {
		error = errno;
		free(new_file);
		return error ? error : EIO;
	}
	error = write_file_header(spill, new_file->file);
	if (error) {
		os_file_close(new_file->file, true);
		free(new_file);
		return error;
	}
	if (!spill->keep)
		os_file_unname(new_file->file);
	spill->order++;
	new_file->end = sizeof(struct spill_file_header);
	count_written(spill, new_file->end);
	*file = new_file;
	return 0;
}

#define BOUND_REACHED (-1) /* no errno */

/* The current file, or a new one if the block does not fit it. 0, an errno or BOUND_REACHED. */
static int choose_file(struct spill *spill, uint32_t size, struct spill_file **file)
{
	struct spill_file *current = spill->current;

	if (current && current->end + size <= spill->file_size) {
		*file = current;
		return spill_used(spill) + size <= spill->size ? 0 : BOUND_REACHED;
	}
	if (spill_used(spill) + sizeof(struct spill_file_header) + size > spill->size)
		return BOUND_REACHED;
	return make_file(spill, file);
}

/* Header and entries into the table, and the checksum of the whole. */
static void fill_table(struct spill *spill, const struct spill_block *block, uint32_t count,
		       const struct source_record *records, const char *data, size_t data_size)
{
	struct spill_block_header header = {
	    .magic = SPILL_BLOCK_MAGIC,
	    .size = block->size,
	    .stream = block->stream,
	    .resume = block->resume,
	    .count = count,
	};
	char *entries = spill->table + sizeof(header);

	for (size_t i = 0; i < count; i++) {
		struct spill_entry entry = {
		    .position = records[i].position,
		    .offset = (uint32_t)((const char *)records[i].data - data),
		    .size = records[i].size,
		};

		memcpy(entries + i * sizeof(entry), &entry, sizeof(entry));
	}
	header.checksum = checksum_add(0, &header, sizeof(header));
	header.checksum =
	    checksum_add(header.checksum, entries, count * sizeof(struct spill_entry));
	header.checksum = checksum_add(header.checksum, data, data_size);
	memcpy(spill->table, &header, sizeof(header));
}

static void count_block(struct spill_block *block, const struct source_record *records,
			uint32_t count)
{
	struct drops *drops = &block->drops;

	for (uint32_t i = 0; i < count; i++) {
		const struct record_header *header = records[i].data;

		drops_add(drops, header, records[i].size);
		block->events += drops_is_event(header->kind);
	}
	drops->stream = block->stream;
	drops->position = records[0].position;
	drops->resume = block->resume;
	drops->gap.stage = RECORD_GAP_SPILL;
}

/*
 * Where blocks lie in a segment: the records' bytes from the lowest (the last record) to the end of
 * the first record.
 */
static int write_block(struct spill *spill, struct segment *segment, size_t first, size_t end,
		       struct spill_block *block)
{
	const struct source_record *records = segment_entries(segment) + first;
	uint32_t count = (uint32_t)(end - first);
	const char *data = records[count - 1].data;
	size_t data_size =
	    (size_t)((const char *)records[0].data - data) + SEGMENT_ALIGNED(records[0].size);
	size_t table = sizeof(struct spill_block_header) + count * sizeof(struct spill_entry);
	struct spill_file *file;
	int error;

	block->size = (uint32_t)(table + data_size);
	error = choose_file(spill, block->size, &file);
	if (error)
		return error;
	fill_table(spill, block, count, records, data, data_size);
	error = os_file_write(file->file, file->end, spill->table, table);
	if (!error)
		error = os_file_write(file->file, file->end + table, data, data_size);
	if (error && file != spill->current) {
		spill_remove(spill, file);
		return error;
	}
	if (error) {
		/* What was written takes up room, and a later reader would stumble over it. */
		os_file_truncate(file->file, file->end);
		return error;
	}
	block->file = file;
	block->offset = file->end;
	file->end += block->size;
	count_written(spill, block->size);
	count_block(block, records, count);
	return 0;
}

void spill_begin(struct spill *spill)
{
	spill->writing = true;
}

int spill_write(struct spill *spill, struct segment *segment, size_t first, size_t end,
		uint64_t resume, struct spill_block **block)
{
	struct spill_block *new_block;
	int error;

	if (spill->failure && os_monotonic_ns() - spill->failed_ns < SPILL_RETRY_NS)
		return spill->failure;
	new_block = calloc(1, sizeof(*new_block));
	if (!new_block)
		return ENOMEM;
	new_block->stream = segment->stream;
	new_block->resume = resume;
	error = write_block(spill, segment, first, end, new_block);
	if (error)
		free(new_block);
	if (error == BOUND_REACHED) /* costs nothing to ask again */
		return ENOSPC;
	spill->failure = error;
	if (error) {
		spill->failed_ns = os_monotonic_ns();
		return error;
	}
	*block = new_block;
	return 0;
}

/* Of the file nothing is needed. */
static void finish_file(struct spill *spill, struct spill_file *file, struct spill_file **finished)
{
	struct spill_file **link = &spill->files;

	while (*link != file)
		link = &(*link)->next;
	*link = file->next;
	if (spill->current == file)
		spill->current = NULL;
	file->next = *finished;
	*finished = file;
}

void spill_end(struct spill *spill, struct spill_block *block, bool copy,
	       struct spill_file **finished)
{
	struct spill_file *before = spill->current;

	spill->writing = false;
	if (block) {
		if (block->file != before) {
			block->file->next = spill->files;
			spill->files = block->file;
			spill->current = block->file;
		}
		block->file->live++;
	}
	if (block && !copy) {
		*spill->last_end = block;
		spill->last_end = &block->next;
	}
	if (before && before->live == 0)
		finish_file(spill, before, finished);
}

struct spill_block *spill_first(struct spill *spill)
{
	return spill->first;
}

struct spill_block *spill_pop(struct spill *spill)
{
	struct spill_block *block = spill->first;

	spill->first = block->next;
	if (!spill->first)
		spill->last_end = &spill->first;
	block->next = NULL;
	return block;
}

void spill_release(struct spill *spill, struct spill_file *file, struct spill_file **finished)
{
	file->live--;
	/* The writer may be at work on the current one: then spill_end() looks again. */
	if (file->live == 0 && (file != spill->current || !spill->writing))
		finish_file(spill, file, finished);
}

void spill_remove(struct spill *spill, struct spill_file *finished)
{
	while (finished) {
		struct spill_file *file = finished;

		finished = file->next;
		os_file_close(file->file, true);
		atomic_fetch_sub_explicit(&spill->used, file->end, memory_order_relaxed);
		free(file);
	}
}

int spill_read(const struct spill_block *block, struct segment *segment)
{
	struct os_file *file = block->file->file;
	struct spill_block_header header;
	int error = os_file_read(file, block->offset, &header, sizeof(header));

	if (error)
		return error;
	if (!spill_block_header_valid(&header) || header.size != block->size ||
	    SPILL_MEMORY(&header) > segment->size)
		return EBADMSG;
	error = os_file_read(file, block->offset + sizeof(header),
			     segment->memory + SPILL_MEMORY_OFFSET(&header),
			     header.size - sizeof(header));
	if (error)
		return error;
	if (spill_block_open(&header, segment->memory))
		return EBADMSG;
	segment->stream = header.stream;
	segment->resume = header.resume;
	segment->filled = header.count;
	segment->count = header.count;
	segment->low = SPILL_MEMORY_OFFSET(&header); /* nothing can be put in any more */
	return 0;
}
