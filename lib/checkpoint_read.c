/* SPDX-License-Identifier: MIT */
#include "checkpoint_private.h"

#include "checksum.h"
#include "error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

/* Reads the file's next block. 0; ENDED; CORRUPT. */
static int read_block(struct buffer *block, struct table_file *file, enum block_kind *kind)
{
	struct block_header header;
	int error = os_file_read(file->file, file->size, &header, sizeof header);

	if (error)
		return error == ENODATA ? PROCOBSRV_ERROR_ENDED : PROCOBSRV_ERROR_CORRUPT;
	if (header.magic != BLOCK_MAGIC || header.size > BLOCK_MAX || header.size % 8)
		return PROCOBSRV_ERROR_CORRUPT;
	block->size = 0;
	block->failed = false;
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
	while (!(error = read_block(&checkpoint->block, file, &kind))) {
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

static int find_file(const char *directory, struct search *search)
{
	int error = os_directory_visit(directory, FILE_PREFIX, consider, search);

	if (!error && !search->found)
		error = error_set(PROCOBSRV_ERROR_NOT_FOUND, "no checkpoint of this observer in %s",
				  directory);
	return error;
}

int checkpoint_load(struct checkpoint *checkpoint, struct dispatch *dispatch, uint64_t stream,
		    uint64_t position)
{
	struct search search = {.stream = stream, .position = position};
	int error = find_file(checkpoint->directory, &search);

	if (error)
		return error;
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
	struct buffer block = BUFFER_EMPTY;
	enum block_kind kind = 0;
	int error = find_file(directory, &search);

	if (error)
		return error;
	search.best.size = sizeof(struct file_header);
	while (!error && !(error = read_block(&block, &search.best, &kind)))
		if (kind == BLOCK_RECORDS)
			error = lend_block(&block, stream, position, on_batch, param);
	if (error && error != PROCOBSRV_ERROR_ENDED)
		error_set(error, "the checkpoint %s is damaged", os_file_path(search.best.file));
	os_file_close(search.best.file, false);
	buffer_free(&block);
	return error == PROCOBSRV_ERROR_ENDED ? 0 : error;
}

/* ---- following ---- */

struct checkpoint_follower {
	struct table_file file;
	struct buffer block; /* records, from `offset` on not yet taken */
	size_t offset;
	struct buffer ahead; /* the block after it, if it was needed to see where that begins */
	bool has_ahead;
	uint64_t taken; /* beyond the position of the last one */
};

/* The table, and what stands between it and the first records. */
static int follow_table(struct checkpoint_follower *follower, struct dispatch *dispatch)
{
	struct buffer *block = &follower->block;
	enum block_kind kind = 0;
	int error = 0;

	follower->file.size = sizeof(struct file_header);
	while (!error && kind != BLOCK_NUMBERS) {
		if ((error = read_block(block, &follower->file, &kind)))
			break;
		if (kind == BLOCK_TABLE)
			error = load_table(block, dispatch);
		else if (kind == BLOCK_LAST)
			error = load_last(block, &dispatch->repeats);
		else if (kind == BLOCK_NUMBERS)
			error = load_numbers(block, &dispatch->gaps);
		else
			error = PROCOBSRV_ERROR_CORRUPT;
	}
	block->size = 0;
	return error == PROCOBSRV_ERROR_ENDED ? PROCOBSRV_ERROR_CORRUPT : error;
}

static int follow_error(const struct checkpoint_follower *follower, int error)
{
	return error_set(error, "the checkpoint %s cannot be read again: %s",
			 os_file_path(follower->file.file), procobsrv_strerror(error));
}

int checkpoint_follow(const char *directory, uint64_t stream, uint64_t position,
		      struct dispatch *dispatch, struct checkpoint_follower **opened)
{
	struct search search = {.stream = stream, .position = position, .only_look = true};
	int error = find_file(directory, &search);

	if (error)
		return error;
	struct checkpoint_follower *follower = calloc(1, sizeof *follower);
	if (!follower) {
		os_file_close(search.best.file, false);
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a checkpoint");
	}
	follower->file = search.best;
	if ((error = follow_table(follower, dispatch))) {
		follow_error(follower, error);
		checkpoint_unfollow(follower);
		return error;
	}
	*opened = follower;
	return 0;
}

static int read_ahead(struct checkpoint_follower *follower)
{
	enum block_kind kind;

	if (follower->has_ahead)
		return 0;
	int error = read_block(&follower->ahead, &follower->file, &kind);
	/* What is asked for was written before. */
	if (error == PROCOBSRV_ERROR_ENDED ||
	    (!error && (kind != BLOCK_RECORDS || follower->ahead.size < sizeof(struct entry))))
		error = PROCOBSRV_ERROR_CORRUPT;
	follower->has_ahead = !error;
	return error;
}

static int turn_over(struct checkpoint_follower *follower)
{
	int error = read_ahead(follower);

	if (error)
		return error;
	struct buffer done = follower->block;
	follower->block = follower->ahead;
	follower->ahead = done;
	follower->has_ahead = false;
	follower->offset = 0;
	return 0;
}

static struct entry entry_at(const struct buffer *block, size_t offset)
{
	struct entry entry = {0};

	if (block->size - offset >= sizeof entry)
		memcpy(&entry, block->data + offset, sizeof entry);
	return entry;
}

/* Where the record after the one that was taken begins; 0: not known yet. */
static int find_next(struct checkpoint_follower *follower, uint64_t last, uint64_t *resume)
{
	int error = 0;

	*resume = 0;
	if (follower->offset < follower->block.size)
		*resume = entry_at(&follower->block, follower->offset).position;
	else if (follower->taken <= last && !(error = read_ahead(follower)))
		*resume = entry_at(&follower->ahead, 0).position;
	return error;
}

int checkpoint_follow_next(struct checkpoint_follower *follower, uint64_t limit, uint64_t last,
			   struct source_record *record, uint64_t *resume)
{
	struct buffer *block = &follower->block;
	int error;

	if (follower->taken > limit)
		return PROCOBSRV_ERROR_ENDED;
	if (follower->offset >= block->size && (error = turn_over(follower)))
		return follow_error(follower, error);
	struct entry entry = entry_at(block, follower->offset);
	if (entry.position > limit)
		return PROCOBSRV_ERROR_ENDED;
	size_t begin = follower->offset + sizeof entry;
	if (begin > block->size || entry.size > block->size - begin)
		return follow_error(follower, PROCOBSRV_ERROR_CORRUPT);
	*record = (struct source_record){block->data + begin, entry.size, entry.position};
	follower->offset = begin + ((entry.size + 7) & ~(size_t)7);
	follower->taken = entry.position + 1;
	error = find_next(follower, last, resume);
	return error ? follow_error(follower, error) : 0;
}

void checkpoint_unfollow(struct checkpoint_follower *follower)
{
	if (!follower)
		return;
	os_file_close(follower->file.file, false);
	buffer_free(&follower->block);
	buffer_free(&follower->ahead);
	free(follower);
}
