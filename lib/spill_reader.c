/* SPDX-License-Identifier: MIT */
/* Left-overs: what a queue whose process was killed has left on disk. */
#include "checksum.h"
#include "error.h"
#include "spill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct spill_reader {
	struct os_file *file;
	uint64_t size;
	uint64_t offset; /* of the next block */
	bool cut_short;
	bool damaged;
	struct spill_file_header header; /* zero if the file is too short for one */
	void *memory;			 /* of the block that is lent */
	size_t memory_size;
};

static int read_header(struct spill_reader *reader)
{
	struct spill_file_header *header = &reader->header;
	const char *path = os_file_path(reader->file);
	uint32_t checksum;
	int error = os_file_size(reader->file, &reader->size);

	if (!error && reader->size < sizeof(*header)) /* spill_reader_next() will tell */
		return 0;
	if (!error)
		error = os_file_read(reader->file, 0, header, sizeof(*header));
	if (error)
		return error_set_errno(error, "cannot read %s", path);
	if (memcmp(header->magic, SPILL_FILE_MAGIC, sizeof(header->magic)) != 0)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "%s is no spill file, or its header is damaged (offset 0)", path);
	if (header->version != SPILL_VERSION)
		return error_set(PROCOBSRV_ERROR_VERSION,
				 "%s was written in format %" PRIu32 ", this program reads %d: "
				 "use the version that wrote it, or delete the file",
				 path, header->version, SPILL_VERSION);
	checksum = header->checksum;
	header->checksum = 0;
	if (checksum_add(0, header, sizeof(*header)) != checksum ||
	    !memchr(header->boot, '\0', sizeof(header->boot)))
		return error_set(PROCOBSRV_ERROR_CORRUPT, "the header of %s is damaged (offset 0)",
				 path);
	header->checksum = checksum;
	reader->offset = sizeof(*header);
	return 0;
}

int spill_reader_open_file(struct os_file *file, struct spill_reader **reader)
{
	struct spill_reader *new_reader = calloc(1, sizeof(*new_reader));
	int code;

	if (!new_reader)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to read %s",
				 os_file_path(file));
	new_reader->file = file;
	code = read_header(new_reader);
	if (code) {
		free(new_reader);
		return code;
	}
	*reader = new_reader;
	return 0;
}

int spill_reader_open(const char *path, struct spill_reader **reader)
{
	struct os_file *file = NULL;
	int code = os_file_adopt(path, &file);

	if (code)
		return code;
	code = spill_reader_open_file(file, reader);
	if (code)
		os_file_close(file, false);
	return code;
}

const struct spill_file_header *spill_reader_header(const struct spill_reader *reader)
{
	return &reader->header;
}

static int damaged(struct spill_reader *reader, uint64_t offset, const char *what)
{
	reader->damaged = true;
	return error_set(PROCOBSRV_ERROR_CORRUPT,
			 "%s is damaged at offset %" PRIu64
			 ": %s; what stands before that is whole",
			 os_file_path(reader->file), offset, what);
}

static int cut_short(struct spill_reader *reader)
{
	reader->cut_short = true;
	return damaged(reader, reader->offset,
		       "it ends here within a block, as when its writer is killed");
}

static int unreadable(struct spill_reader *reader, int error)
{
	reader->damaged = true;
	return error_set_errno(error, "cannot read %s at offset %" PRIu64,
			       os_file_path(reader->file), reader->offset);
}

/* Makes room for the block of this header. */
static int reserve(struct spill_reader *reader, const struct spill_block_header *header)
{
	size_t size = SPILL_MEMORY(header);
	void *memory;

	if (size <= reader->memory_size)
		return 0;
	memory = malloc(size);
	if (!memory)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to read %s",
				 os_file_path(reader->file));
	free(reader->memory);
	reader->memory = memory;
	reader->memory_size = size;
	return 0;
}

int spill_reader_next(struct spill_reader *reader, struct source_batch *batch)
{
	uint64_t left = reader->size - reader->offset;
	struct spill_block_header header;
	size_t payload_size, wrong;
	int code, error;

	if (reader->damaged)
		return damaged(reader, reader->offset, "nothing can be read from there on");
	if (reader->offset == 0)
		return cut_short(reader);
	if (left == 0)
		return PROCOBSRV_ERROR_ENDED;
	if (left < sizeof(header))
		return cut_short(reader);
	error = os_file_read(reader->file, reader->offset, &header, sizeof(header));
	if (error)
		return unreadable(reader, error);
	if (!spill_block_header_valid(&header))
		return damaged(reader, reader->offset, "no block begins there");
	if (header.size > left)
		return cut_short(reader);
	code = reserve(reader, &header);
	if (code)
		return code;
	payload_size = header.size - sizeof(header);
	error = os_file_read(reader->file, reader->offset + sizeof(header),
			     (char *)reader->memory + SPILL_MEMORY_OFFSET(&header), payload_size);
	if (error)
		return unreadable(reader, error);
	wrong = spill_block_open(&header, reader->memory);
	if (wrong)
		return damaged(reader, reader->offset + sizeof(header) + wrong - 1,
			       "the block does not match its checksum, or is none of ours");
	reader->offset += header.size;
	batch->stream = header.stream;
	batch->records = reader->memory;
	batch->count = header.count;
	batch->resume = header.resume;
	return 0;
}

uint64_t spill_reader_offset(const struct spill_reader *reader)
{
	return reader->offset;
}

void spill_reader_seek(struct spill_reader *reader, uint64_t offset)
{
	reader->offset = offset;
	reader->damaged = false;
	reader->cut_short = false;
}

bool spill_reader_cut_short(const struct spill_reader *reader)
{
	return reader->cut_short;
}

void spill_reader_close(struct spill_reader *reader, bool remove)
{
	if (!reader)
		return;
	os_file_close(reader->file, remove);
	free(reader->memory);
	free(reader);
}

struct list {
	struct spill_leftover *items;
	size_t count;
};

static int add_leftover(const char *path, void *param)
{
	struct list *list = param;
	struct spill_leftover *grown, *item;
	struct spill_file_header header = {0};
	struct os_file *file = NULL;
	char *own_path;

	/* Not ours, in use, or gone again: none of our business. */
	if (os_file_adopt(path, &file))
		return 0;
	if (os_file_read(file, 0, &header, sizeof(header)) ||
	    memcmp(header.magic, SPILL_FILE_MAGIC, sizeof(header.magic)) != 0)
		memset(&header, 0, sizeof(header));
	own_path = strdup(os_file_path(file));
	os_file_close(file, false);
	grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
	if (grown)
		list->items = grown;
	if (!grown || !own_path) {
		free(own_path);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a list of files");
	}
	item = &list->items[list->count++];
	memset(item, 0, sizeof(*item));
	item->path = own_path;
	item->process = header.process;
	item->order = header.order;
	item->generation = header.generation;
	memcpy(item->boot, header.boot, sizeof(item->boot) - 1);
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct spill_leftover *a = left, *b = right;

	if (a->generation != b->generation)
		return a->generation < b->generation ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

int spill_leftovers(const char *directory, struct spill_leftover **leftovers, size_t *count)
{
	struct list list = {0};
	int code = os_directory_visit(directory, SPILL_PREFIX, add_leftover, &list);

	if (code) {
		spill_leftovers_free(list.items, list.count);
		return code;
	}
	if (list.count > 1)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	*leftovers = list.items;
	*count = list.count;
	return 0;
}

void spill_leftovers_free(struct spill_leftover *leftovers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(leftovers[i].path);
	free(leftovers);
}
