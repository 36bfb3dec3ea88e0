/* SPDX-License-Identifier: MIT */
#include "checkpoint.h"

#include "checksum.h"
#include "error.h"
#include "os.h"
#include "record_build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_PREFIX  "procobsrv-table-"
#define FILE_MAGIC   "POTABLE"
#define FILE_VERSION 3
#define BLOCK_MAGIC  0x4b4c4254u /* "TBLK" */
#define BLOCK_MAX    (64u << 20)

/* A file may grow to this, and to this many times what its table took, before a new one is begun.
 */
#define GROWTH_LEAST  (4u << 20)
#define GROWTH_FACTOR 4

struct file_header {
	char magic[8]; /* FILE_MAGIC and NUL */
	uint32_t version;
	uint32_t checksum; /* of this header, taken with 0 here */
	uint64_t stream;
	uint64_t position; /* of the table at the beginning */
	char boot[40];
};

enum block_kind {
	BLOCK_TABLE = 1,   /* RECORD_CGROUP and RECORD_EXISTING, back to back */
	BLOCK_NUMBERS = 2, /* struct numbers, and struct gaps_sequence by cpu */
	BLOCK_RECORDS = 3, /* struct entry and record, back to back */
	BLOCK_LAST = 4,	   /* struct repeats_last by cpu, before the numbers */
};

struct block_header {
	uint32_t magic;
	uint32_t kind;
	uint32_t size;	   /* of the payload, a multiple of 8 */
	uint32_t checksum; /* of the payload */
};

struct numbers {
	uint64_t skipped[RECORD_LOST_KINDS];
	uint64_t read;
	uint64_t told;
	uint64_t adopt;
	uint64_t repeats;
};

struct entry {
	uint64_t position;
	uint32_t size;
	uint32_t reserved; /* 0 */
};

_Static_assert(sizeof(struct file_header) == 72, "the version must be updated");
_Static_assert(sizeof(struct block_header) == 16, "the version must be updated");
_Static_assert(sizeof(struct entry) == 16, "the version must be updated");

struct table_file {
	struct os_file *file;
	uint64_t size;
	uint64_t table_size; /* what the table took at the beginning */
	uint64_t position;
};

struct checkpoint {
	char *directory;
	struct table_file current;
	struct table_file next; /* begun, not needed before everything up to it is acknowledged */
	uint64_t stream;
	struct buffer block;
};

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
	cgroup_append_record(group, param);
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

/* ---- reading ---- */

/* Reads the next block into checkpoint->block. 0; ENDED; CORRUPT. */
static int read_block(struct checkpoint *checkpoint, struct table_file *file, enum block_kind *kind)
{
	struct block_header header;
	struct buffer *block = &checkpoint->block;
	int error = os_file_read(file->file, file->size, &header, sizeof header);

	if (error)
		return error == ENODATA ? PROCOBSRV_ERROR_ENDED : PROCOBSRV_ERROR_CORRUPT;
	if (header.magic != BLOCK_MAGIC || header.size > BLOCK_MAX || header.size % 8)
		return PROCOBSRV_ERROR_CORRUPT;
	begin_block(checkpoint);
	if (!buffer_reserve(block, header.size + 1))
		return PROCOBSRV_ERROR_MEMORY;
	error = os_file_read(file->file, file->size + sizeof header, block->data, header.size);
	if (error == ENODATA)
		return PROCOBSRV_ERROR_ENDED; /* its writer was killed within it */
	if (error || checksum_add(0, block->data, header.size) != header.checksum)
		return PROCOBSRV_ERROR_CORRUPT;
	block->size = header.size;
	file->size += sizeof header + header.size;
	*kind = header.kind;
	return 0;
}

static int load_table(const struct buffer *block, struct dispatch *dispatch)
{
	for (size_t offset = 0; offset < block->size;) {
		struct record_header header;
		struct record_view view;
		if (block->size - offset < sizeof header)
			return PROCOBSRV_ERROR_CORRUPT;
		memcpy(&header, block->data + offset, sizeof header);
		if (header.size > block->size - offset ||
		    record_decode(block->data + offset, header.size, &view) ||
		    (header.kind != RECORD_EXISTING && header.kind < RECORD_NOTES))
			return PROCOBSRV_ERROR_CORRUPT;
		if (header.kind >= RECORD_NOTES)
			dispatch_note(dispatch, &view);
		else if (!dispatch_put_existing(dispatch, &view))
			return PROCOBSRV_ERROR_MEMORY;
		offset += (header.size + 7) & ~(size_t)7;
	}
	return 0;
}

static int load_numbers(const struct buffer *block, struct gaps *gaps)
{
	struct numbers numbers;
	size_t left = block->size;

	if (left < sizeof numbers || (left - sizeof numbers) % sizeof *gaps->sequences)
		return PROCOBSRV_ERROR_CORRUPT;
	left -= sizeof numbers;
	memcpy(&numbers, block->data, sizeof numbers);
	gaps_free(gaps);
	memcpy(gaps->skipped, numbers.skipped, sizeof gaps->skipped);
	gaps->read = numbers.read;
	gaps->told = numbers.told;
	gaps->adopt = numbers.adopt != 0;
	gaps->repeats = numbers.repeats;
	if (!left)
		return 0;
	gaps->sequences = malloc(left);
	if (!gaps->sequences)
		return PROCOBSRV_ERROR_MEMORY;
	memcpy(gaps->sequences, block->data + sizeof numbers, left);
	gaps->count = left / sizeof *gaps->sequences;
	return 0;
}

static int load_last(const struct buffer *block, struct repeats *repeats)
{
	if (block->size % sizeof *repeats->last)
		return PROCOBSRV_ERROR_CORRUPT;
	repeats_free(repeats);
	if (!block->size)
		return 0;
	repeats->last = malloc(block->size);
	if (!repeats->last)
		return PROCOBSRV_ERROR_MEMORY;
	memcpy(repeats->last, block->data, block->size);
	repeats->count = block->size / sizeof *repeats->last;
	return 0;
}

static int replay(const struct buffer *block, struct dispatch *dispatch, uint64_t stream,
		  uint64_t position)
{
	for (size_t offset = 0; offset < block->size;) {
		struct entry entry;
		if (block->size - offset < sizeof entry)
			return PROCOBSRV_ERROR_CORRUPT;
		memcpy(&entry, block->data + offset, sizeof entry);
		offset += sizeof entry;
		if (entry.size > block->size - offset)
			return PROCOBSRV_ERROR_CORRUPT;
		struct source_record record = {block->data + offset, entry.size, entry.position};
		if (entry.position < position)
			dispatch_record(dispatch, stream, &record);
		offset += (entry.size + 7) & ~(size_t)7;
	}
	return 0;
}

/* Replays a file that was opened, up to position. A torn last block was never acknowledged, but the
 * table and the numbers must be there. */
static int load_file(struct checkpoint *checkpoint, struct table_file *file,
		     struct dispatch *dispatch, uint64_t stream, uint64_t position)
{
	enum block_kind kind = 0;
	bool numbered = false;
	int error;

	file->size = sizeof(struct file_header);
	while (!(error = read_block(checkpoint, file, &kind))) {
		if (kind == BLOCK_TABLE)
			error = load_table(&checkpoint->block, dispatch);
		else if (kind == BLOCK_LAST)
			error = load_last(&checkpoint->block, &dispatch->repeats);
		else if (kind == BLOCK_NUMBERS)
			error = load_numbers(&checkpoint->block, &dispatch->gaps);
		else if (kind == BLOCK_RECORDS)
			error = replay(&checkpoint->block, dispatch, stream, position);
		else
			error = PROCOBSRV_ERROR_CORRUPT;
		if (error)
			return error;
		numbered |= kind == BLOCK_NUMBERS;
	}
	if (error == PROCOBSRV_ERROR_ENDED)
		return numbered ? 0 : PROCOBSRV_ERROR_CORRUPT;
	return error;
}

static bool read_header(struct os_file *file, uint64_t stream, struct file_header *header)
{
	char boot[37] = "";

	if (os_file_read(file, 0, header, sizeof *header))
		return false;
	uint32_t checksum = header->checksum;
	header->checksum = 0;
	if (checksum_add(0, header, sizeof *header) != checksum)
		return false;
	os_boot_id(boot);
	return !memcmp(header->magic, FILE_MAGIC, sizeof header->magic) &&
	       header->version == FILE_VERSION && header->stream == stream &&
	       !strcmp(header->boot, boot);
}

struct search {
	uint64_t stream;
	uint64_t position;
	bool only_look; /* somebody may be writing it; nothing is removed */
	struct table_file best;
	bool found;
};

/* Keeps the one that begins latest, but not beyond the position. */
static int consider(const char *path, void *param)
{
	struct search *search = param;
	struct file_header header;
	struct os_file *file;
	bool remove = !search->only_look;

	if (search->only_look ? os_file_open(path, &file) : os_file_adopt(path, &file))
		return 0; /* somebody's who lives */
	if (!read_header(file, search->stream, &header) || header.position > search->position ||
	    (search->found && header.position < search->best.position)) {
		os_file_close(file, remove);
		return 0;
	}
	if (search->found)
		os_file_close(search->best.file, remove);
	search->best = (struct table_file){.file = file, .position = header.position};
	search->found = true;
	return 0;
}

int checkpoint_load(struct checkpoint *checkpoint, struct dispatch *dispatch, uint64_t stream,
		    uint64_t position)
{
	struct search search = {.stream = stream, .position = position};
	int error = os_directory_visit(checkpoint->directory, FILE_PREFIX, consider, &search);

	if (error)
		return error;
	if (!search.found)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "no checkpoint of this observer in %s",
				 checkpoint->directory);
	error = load_file(checkpoint, &search.best, dispatch, stream, position);
	if (error)
		error_set(error, "the checkpoint %s is damaged: %s", os_file_path(search.best.file),
			  procobsrv_strerror(error));
	/* It stays until checkpoint_begin() has made a new one. */
	checkpoint->current = search.best;
	return error;
}

/* ---- looking ---- */

/* Lends the records of a block from `position` on. */
static int lend_block(const struct buffer *block, uint64_t stream, uint64_t position,
		      source_on_batch on_batch, void *param)
{
	size_t most = block->size / sizeof(struct entry), count = 0;
	struct source_record *records = calloc(most + 1, sizeof *records);

	if (!records)
		return PROCOBSRV_ERROR_MEMORY;
	for (size_t offset = 0; block->size - offset > sizeof(struct entry);) {
		struct entry entry;
		memcpy(&entry, block->data + offset, sizeof entry);
		offset += sizeof entry;
		if (entry.size > block->size - offset)
			break;
		if (entry.position >= position)
			records[count++] = (struct source_record){block->data + offset, entry.size,
								  entry.position};
		offset += (entry.size + 7) & ~(size_t)7;
	}
	struct source_batch batch = {.stream = stream, .records = records, .count = count};
	if (count) {
		batch.resume = records[count - 1].position + 1;
		on_batch(&batch, param);
	}
	free(records);
	return 0;
}

int checkpoint_lend(const char *directory, uint64_t stream, uint64_t position,
		    source_on_batch on_batch, void *param)
{
	struct search search = {.stream = stream, .position = position, .only_look = true};
	struct checkpoint looker = {.stream = stream};
	enum block_kind kind = 0;
	int error = os_directory_visit(directory, FILE_PREFIX, consider, &search);

	if (error)
		return error;
	if (!search.found)
		return error_set(PROCOBSRV_ERROR_NOT_FOUND, "no checkpoint of this observer in %s",
				 directory);
	search.best.size = sizeof(struct file_header);
	while (!error && !(error = read_block(&looker, &search.best, &kind)))
		if (kind == BLOCK_RECORDS)
			error = lend_block(&looker.block, stream, position, on_batch, param);
	if (error && error != PROCOBSRV_ERROR_ENDED)
		error_set(error, "the checkpoint %s is damaged", os_file_path(search.best.file));
	os_file_close(search.best.file, false);
	buffer_free(&looker.block);
	return error == PROCOBSRV_ERROR_ENDED ? 0 : error;
}
