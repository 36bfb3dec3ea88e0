/* SPDX-License-Identifier: MIT */
#include "disk_count.h"

#include "checkpoint.h"
#include "error.h"
#include "os.h"
#include "resident.h"
#include "spill.h"

#include <stdlib.h>
#include <string.h>

/* What waits on disk; a record may lie there more than once, and in any order. */
struct counted {
	uint64_t position;
	uint64_t kind; /* enum record_kind */
};

struct count {
	uint64_t begin; /* positions */
	uint64_t end;
	uint64_t stream;
	struct counted *events;
	size_t used;
	size_t capacity;
	bool failed; /* out of memory */
};

bool disk_count_is_event(const void *data, size_t size)
{
	struct record_header header;

	if (size < sizeof header)
		return false;
	memcpy(&header, data, sizeof header);
	return header.kind != RECORD_CHUNK && header.kind != RECORD_GAP &&
	       header.kind < RECORD_NOTES;
}

static void note_event(struct count *count, const struct source_record *record)
{
	if (count->used == count->capacity) {
		size_t capacity = count->capacity ? count->capacity * 2 : 1024;
		struct counted *grown = realloc(count->events, capacity * sizeof *grown);
		if (!grown) {
			count->failed = true;
			return;
		}
		count->events = grown;
		count->capacity = capacity;
	}
	const struct record_header *header = record->data;
	count->events[count->used++] = (struct counted){record->position, header->kind};
}

static void count_batch(const struct source_batch *batch, void *param)
{
	struct count *count = param;

	for (size_t i = 0; batch->stream == count->stream && i < batch->count; i++) {
		const struct source_record *record = &batch->records[i];
		if (record->position >= count->begin && record->position < count->end &&
		    disk_count_is_event(record->data, record->size))
			note_event(count, record);
	}
}

/* A file of a reader that lives or was killed. */
static int count_file(const char *path, void *param)
{
	struct count *count = param;
	struct spill_reader *reader;
	struct source_batch batch;
	struct os_file *file;

	if (os_file_open(path, &file) || spill_reader_open_file(file, &reader))
		return 0;
	while (!spill_reader_next(reader, &batch))
		count_batch(&batch, count);
	spill_reader_close(reader, false);
	return 0;
}

static int compare_positions(const void *left, const void *right)
{
	const struct counted *a = left, *b = right;

	return (a->position > b->position) - (a->position < b->position);
}

int disk_count(const struct source_statistics *statistics, uint64_t ring,
	       uint64_t events[RECORD_LOST_KINDS])
{
	struct count count = {
	    .begin = statistics->acknowledged,
	    .end = ring,
	    .stream = statistics->stream,
	};

	memset(events, 0, RECORD_LOST_KINDS * sizeof *events);
	if (count.begin >= count.end)
		return 0;
	checkpoint_lend(resident_directory(), count.stream, count.begin, count_batch, &count);
	os_directory_visit(resident_spill_directory(), SPILL_PREFIX, count_file, &count);
	if (count.used)
		qsort(count.events, count.used, sizeof *count.events, compare_positions);
	for (size_t i = 0; i < count.used; i++)
		if (!i || count.events[i].position != count.events[i - 1].position)
			events[RECORD_LOST_INDEX(count.events[i].kind)]++;
	free(count.events);
	return count.failed ? error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to count events")
			    : 0;
}
