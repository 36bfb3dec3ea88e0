/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "spill.h"

#include <stdlib.h>

/* A block that holds something. */
struct block {
	size_t file;
	uint64_t offset;
	uint64_t first; /* position */
};

struct spill_replay {
	uint64_t stream;
	uint64_t position; /* records before this were lent, or are not wanted */
	struct spill_reader **files;
	size_t file_count;
	struct block *blocks; /* by position */
	size_t block_count;
	size_t next;
	bool damaged;
	char damage[ERROR_TEXT_SIZE];
};

static int no_memory(void)
{
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to replay events from disk");
}

static int add_block(struct spill_replay *replay, uint64_t offset, uint64_t first)
{
	size_t count = replay->block_count;
	struct block *grown = replay->blocks;

	if ((count & (count - 1)) == 0) /* at each power of two */
		grown = realloc(grown, (count ? count * 2 : 1) * sizeof(*grown));
	if (!grown)
		return no_memory();
	replay->blocks = grown;
	grown[count] = (struct block){replay->file_count, offset, first};
	replay->block_count++;
	return 0;
}

/* Finds the file's blocks that are wanted. 0 or an error; damage is none, but is noted. */
static int index_blocks(struct spill_replay *replay, struct spill_reader *reader, bool *wanted)
{
	uint64_t offset = spill_reader_offset(reader);
	struct source_batch batch;
	int code;

	for (; (code = spill_reader_next(reader, &batch)) == 0;
	     offset = spill_reader_offset(reader)) {
		if (batch.stream != replay->stream)
			continue;
		*wanted = true; /* to be removed with the rest, even if all of it is old */
		if (batch.records[batch.count - 1].position < replay->position)
			continue;
		code = add_block(replay, offset, batch.records[0].position);
		if (code)
			return code;
	}
	if (code == PROCOBSRV_ERROR_MEMORY)
		return code;
	/* A last block cut short is one that its writer never reported as kept. */
	if (code != PROCOBSRV_ERROR_ENDED && !spill_reader_cut_short(reader) && *wanted) {
		replay->damaged = true;
		error_save(replay->damage);
	}
	return 0;
}

static int add_file(struct spill_replay *replay, const struct spill_leftover *leftover)
{
	struct spill_reader **grown, *reader;
	bool wanted = false;
	int code = spill_reader_open(leftover->path, &reader);

	if (code == PROCOBSRV_ERROR_MEMORY)
		return code;
	if (code == PROCOBSRV_ERROR_CORRUPT || code == PROCOBSRV_ERROR_VERSION) {
		replay->damaged = true;
		error_save(replay->damage);
	}
	if (code) /* somebody else was faster, or it cannot be read */
		return 0;
	grown = realloc(replay->files, (replay->file_count + 1) * sizeof(*grown));
	if (grown)
		replay->files = grown;
	code = grown ? index_blocks(replay, reader, &wanted) : no_memory();
	if (code || !wanted) {
		spill_reader_close(reader, false);
		return code;
	}
	replay->files[replay->file_count++] = reader;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct block *a = left, *b = right;

	if (a->first != b->first)
		return a->first < b->first ? -1 : 1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

int spill_replay_open(const char *directory, const char *boot, uint64_t stream, uint64_t position,
		      struct spill_replay **replay)
{
	struct spill_replay *new_replay = calloc(1, sizeof(*new_replay));
	struct spill_leftover *leftovers = NULL;
	size_t count = 0;
	int code;

	if (!new_replay)
		return no_memory();
	new_replay->stream = stream;
	new_replay->position = position;
	code = spill_leftovers(directory, &leftovers, &count);
	for (size_t i = 0; i < count && !code; i++)
		if (strcmp(leftovers[i].boot, boot) == 0)
			code = add_file(new_replay, &leftovers[i]);
	spill_leftovers_free(leftovers, count);
	if (code) {
		spill_replay_close(new_replay, false);
		return code;
	}
	if (new_replay->block_count > 1)
		qsort(new_replay->blocks, new_replay->block_count, sizeof(*new_replay->blocks),
		      compare);
	*replay = new_replay;
	return 0;
}

int spill_replay_next(struct spill_replay *replay, struct source_batch *batch)
{
	while (replay->next < replay->block_count) {
		const struct block *block = &replay->blocks[replay->next];
		struct spill_reader *reader = replay->files[block->file];
		int code;

		spill_reader_seek(reader, block->offset);
		code = spill_reader_next(reader, batch);
		if (code) /* it could be read a moment ago */
			return code;
		replay->next++;
		while (batch->count > 0 && batch->records[0].position < replay->position) {
			batch->records++;
			batch->count--;
		}
		if (batch->count == 0)
			continue;
		replay->position = batch->records[batch->count - 1].position + 1;
		return 0;
	}
	return PROCOBSRV_ERROR_ENDED;
}

const char *spill_replay_damage(const struct spill_replay *replay)
{
	return replay->damaged ? replay->damage : NULL;
}

void spill_replay_close(struct spill_replay *replay, bool remove)
{
	if (!replay)
		return;
	for (size_t i = 0; i < replay->file_count; i++)
		spill_reader_close(replay->files[i], remove);
	free(replay->files);
	free(replay->blocks);
	free(replay);
}
