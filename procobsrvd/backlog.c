/* SPDX-License-Identifier: MIT */
#include "backlog.h"

#include <string.h>

#define PAGE 4096u

_Static_assert(sizeof(struct backlog_entry) % 8 == 0, "records after it are aligned");

bool backlog_open(struct backlog *backlog, uint64_t size)
{
	*backlog = (struct backlog){.size = (size + PAGE - 1) & ~(uint64_t)(PAGE - 1)};
	if (backlog->size <= SIZE_MAX)
		backlog->memory = backlog_memory_open((size_t)backlog->size);
	return backlog->memory;
}

void backlog_close(struct backlog *backlog)
{
	if (backlog->memory)
		backlog_memory_close(backlog->memory, (size_t)backlog->size);
	backlog->memory = NULL;
}

void backlog_clear(struct backlog *backlog)
{
	backlog_memory_clear(backlog->memory, (size_t)backlog->size);
	backlog->tail = backlog->head;
}

static char *place(const struct backlog *backlog, uint64_t offset)
{
	return backlog->memory + offset % backlog->size;
}

const struct backlog_entry *backlog_at(const struct backlog *backlog, uint64_t offset)
{
	return (const struct backlog_entry *)(const void *)place(backlog, offset);
}

bool backlog_holds(const struct backlog *backlog, uint64_t offset)
{
	uint64_t at = backlog->tail;

	while (at < offset && at < backlog->head)
		at += backlog_at(backlog, at)->size;
	return at == offset;
}

/* Bytes from the head to the end of the memory. */
static uint64_t rest(const struct backlog *backlog)
{
	return backlog->size - backlog->head % backlog->size;
}

bool backlog_append(struct backlog *backlog, const struct backlog_entry *entry, const void *records,
		    size_t size,
		    void (*evict)(const struct backlog_entry *entry, uint64_t offset, void *param),
		    void *param)
{
	uint64_t whole = sizeof *entry + size;
	uint64_t filler = rest(backlog) < whole ? rest(backlog) : 0;

	if (whole > backlog->size / 4)
		return false;
	while (backlog->head + filler + whole - backlog->tail > backlog->size) {
		const struct backlog_entry *oldest = backlog_at(backlog, backlog->tail);
		uint32_t gone = oldest->size;
		evict(oldest, backlog->tail, param);
		backlog->tail += gone;
	}
	if (filler) {
		/* No more than size and kind: so much room there is always. */
		struct backlog_entry end = {.size = (uint32_t)filler, .kind = BACKLOG_FILLER};
		memcpy(place(backlog, backlog->head), &end,
		       filler < sizeof end ? filler : sizeof end);
		backlog->head += filler;
	}
	struct backlog_entry written = *entry;
	written.size = (uint32_t)whole;
	memcpy(place(backlog, backlog->head), &written, sizeof written);
	memcpy(place(backlog, backlog->head) + sizeof written, records, size);
	backlog->head += whole;
	return true;
}
