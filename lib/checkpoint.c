/* SPDX-License-Identifier: MIT */
#include "checkpoint_private.h"

#include "checksum.h"
#include "error.h"
#include "record_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A file may grow to this, and to this many times what its table took, before a new one is begun.
 */
#define GROWTH_LEAST  (4u << 20)
#define GROWTH_FACTOR 4

int checkpoint_create(const char *directory, struct checkpoint **checkpoint)
{
	struct checkpoint *new_one = calloc(1, sizeof *new_one);

	if (!new_one || !(new_one->directory = strdup(directory))) {
		free(new_one);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a checkpoint");
	}
	*checkpoint = new_one;
	return 0;
}

void checkpoint_destroy(struct checkpoint *checkpoint)
{
	if (!checkpoint)
		return;
	os_file_close(checkpoint->current.file, false);
	/* Until it takes its place, the older one reaches back further. */
	os_file_close(checkpoint->next.file, false);
	buffer_free(&checkpoint->block);
	free(checkpoint->directory);
	free(checkpoint);
}

/* ---- writing ---- */

static int file_error(int error, const struct table_file *file)
{
	return error_set_errno(error, "cannot write the checkpoint %s", os_file_path(file->file));
}

static int write_block(struct checkpoint *checkpoint, struct table_file *file, enum block_kind kind)
{
	struct buffer *block = &checkpoint->block;

	if (block->failed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a checkpoint");
	struct block_header header = {
	    .magic = BLOCK_MAGIC,
	    .kind = kind,
	    .size = (uint32_t)block->size,
	    .checksum = checksum_add(0, block->data, block->size),
	};
	int error = os_file_write(file->file, file->size, &header, sizeof header);
	if (!error && block->size)
		error =
		    os_file_write(file->file, file->size + sizeof header, block->data, block->size);
	if (error)
		return file_error(error, file);
	file->size += sizeof header + block->size;
	return 0;
}

static void begin_block(struct checkpoint *checkpoint)
{
	checkpoint->block.size = 0;
	checkpoint->block.failed = false;
}

static void append_cgroup(const struct cgroup *group, void *param)
{
	cgroup_append_record(group->id, group->path, param);
}

static int write_table(struct checkpoint *checkpoint, struct table_file *file,
		       const struct dispatch *dispatch)
{
	const struct process_table *table = &dispatch->table;
	int error = 0;

	/* The groups first: the processes are in them. */
	begin_block(checkpoint);
	cgroup_table_visit(&dispatch->cgroups, append_cgroup, &checkpoint->block);
	for (size_t i = 0; !error && i < table->capacity; i++) {
		if (!table->entries[i].pid)
			continue;
		record_build_existing_of(table->entries[i].process, &checkpoint->block);
		if (checkpoint->block.size > BLOCK_MAX / 16) {
			error = write_block(checkpoint, file, BLOCK_TABLE);
			begin_block(checkpoint);
		}
	}
	return error ? error : write_block(checkpoint, file, BLOCK_TABLE);
}

/* The first record to come may say again what the last one said. */
static int write_last(struct checkpoint *checkpoint, struct table_file *file,
		      const struct repeats *repeats)
{
	begin_block(checkpoint);
	if (repeats->count)
		buffer_append(&checkpoint->block, repeats->last,
			      repeats->count * sizeof *repeats->last);
	return write_block(checkpoint, file, BLOCK_LAST);
}

static int write_numbers(struct checkpoint *checkpoint, struct table_file *file,
			 const struct gaps *gaps)
{
	struct numbers numbers = {
	    .read = gaps->read,
	    .told = gaps->told,
	    .adopt = gaps->adopt,
	    .repeats = gaps->repeats,
	};

	memcpy(numbers.skipped, gaps->skipped, sizeof numbers.skipped);
	begin_block(checkpoint);
	buffer_append(&checkpoint->block, &numbers, sizeof numbers);
	if (gaps->count)
		buffer_append(&checkpoint->block, gaps->sequences,
			      gaps->count * sizeof *gaps->sequences);
	return write_block(checkpoint, file, BLOCK_NUMBERS);
}

static int write_header(struct table_file *file, uint64_t stream)
{
	struct file_header header = {
	    .magic = FILE_MAGIC,
	    .version = FILE_VERSION,
	    .stream = stream,
	    .position = file->position,
	};
	char boot[37];

	if (os_boot_id(boot))
		memcpy(header.boot, boot, sizeof boot);
	header.checksum = checksum_add(0, &header, sizeof header);
	int error = os_file_write(file->file, 0, &header, sizeof header);
	return error ? file_error(error, file) : 0;
}

static int begin_file(struct checkpoint *checkpoint, struct table_file *file,
		      const struct dispatch *dispatch, uint64_t stream, uint64_t position)
{
	int error = os_file_create_private(checkpoint->directory, FILE_PREFIX, &file->file);

	if (error)
		return error;
	file->position = position;
	file->size = sizeof(struct file_header);
	/* The header last: without it the file is none, should we be killed before it is whole. */
	if (!(error = write_table(checkpoint, file, dispatch)) &&
	    !(error = write_last(checkpoint, file, &dispatch->repeats)) &&
	    !(error = write_numbers(checkpoint, file, &dispatch->gaps)))
		error = write_header(file, stream);
	file->table_size = file->size;
	if (error) {
		os_file_close(file->file, true);
		*file = (struct table_file){0};
	}
	return error;
}

int checkpoint_begin(struct checkpoint *checkpoint, const struct dispatch *dispatch,
		     uint64_t stream, uint64_t position)
{
	struct table_file file = {0};
	int error = begin_file(checkpoint, &file, dispatch, stream, position);

	if (error)
		return error;
	os_file_close(checkpoint->current.file, true);
	os_file_close(checkpoint->next.file, true);
	checkpoint->next = (struct table_file){0};
	checkpoint->current = file;
	checkpoint->stream = stream;
	return 0;
}

int checkpoint_append(struct checkpoint *checkpoint, const struct source_record *records,
		      size_t count, uint64_t resume)
{
	static const char padding[8];
	int error;

	(void)resume;
	if (!checkpoint->current.file || !count)
		return 0;
	begin_block(checkpoint);
	for (size_t i = 0; i < count; i++) {
		struct entry entry = {.position = records[i].position, .size = records[i].size};
		buffer_append(&checkpoint->block, &entry, sizeof entry);
		buffer_append(&checkpoint->block, records[i].data, records[i].size);
		buffer_append(&checkpoint->block, padding, -records[i].size & 7);
	}
	if ((error = write_block(checkpoint, &checkpoint->current, BLOCK_RECORDS)))
		return error;
	return checkpoint->next.file ? write_block(checkpoint, &checkpoint->next, BLOCK_RECORDS)
				     : 0;
}

void checkpoint_keep(struct checkpoint *checkpoint)
{
	os_file_close(checkpoint->next.file, true);
	checkpoint->next = (struct table_file){0};
}

uint64_t checkpoint_size(const struct checkpoint *checkpoint)
{
	return checkpoint->current.size + checkpoint->next.size;
}

uint64_t checkpoint_stream(const struct checkpoint *checkpoint)
{
	return checkpoint->stream;
}

int checkpoint_advance(struct checkpoint *checkpoint, const struct dispatch *dispatch,
		       uint64_t position, uint64_t acknowledged)
{
	struct table_file *current = &checkpoint->current, *next = &checkpoint->next;

	if (next->file && next->position <= acknowledged) {
		os_file_close(current->file, true);
		*current = *next;
		*next = (struct table_file){0};
	}
	if (!current->file || next->file || current->size < GROWTH_LEAST ||
	    current->size < current->table_size * GROWTH_FACTOR)
		return 0;
	return begin_file(checkpoint, next, dispatch, checkpoint->stream, position);
}
