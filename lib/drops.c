/* SPDX-License-Identifier: MIT */
#include "drops.h"

#include <string.h>

static void widen(struct record_gap *gap, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns && (!gap->from_ns || from_ns < gap->from_ns))
		gap->from_ns = from_ns;
	if (to_ns > gap->to_ns)
		gap->to_ns = to_ns;
}

void drops_add_gap(struct drops *drops, const struct record_gap *gap)
{
	for (int i = 0; i < RECORD_LOST_KINDS; i++) {
		drops->gap.lost[i] += gap->lost[i];
		drops->events += gap->lost[i];
	}
	drops->gap.unknown += gap->unknown;
	drops->events += gap->unknown;
	widen(&drops->gap, gap->from_ns, gap->to_ns);
}

void drops_add(struct drops *drops, const void *record, size_t size)
{
	const struct record_header *header = record;

	if (size < sizeof(*header)) {
		drops->gap.unknown++;
		drops->events++;
		return;
	}
	if (header->kind == RECORD_CHUNK || header->kind >= RECORD_NOTES)
		return;
	if (header->kind == RECORD_GAP && size >= sizeof(struct drops_record)) {
		/* What the inner gap told is told by the outer one. */
		drops_add_gap(drops, &((const struct drops_record *)record)->gap);
		return;
	}
	if (drops_is_event(header->kind))
		drops->gap.lost[RECORD_LOST_INDEX(header->kind)]++;
	else
		drops->gap.unknown++;
	drops->events++;
	widen(&drops->gap, header->time_ns, header->time_ns);
}

void drops_tell(const struct drops *drops, struct drops_record *record)
{
	memset(record, 0, sizeof(*record));
	record->header.size = sizeof(*record);
	record->header.version = RECORD_VERSION;
	record->header.kind = RECORD_GAP;
	record->header.time_ns = drops->gap.to_ns;
	record->gap = drops->gap;
}

void drops_break(struct drops_broken *broken, const struct record_header *chunk, int error)
{
	unsigned slot = chunk->cpu % DROPS_BROKEN_SLOTS;

	broken->slots[slot].cpu = chunk->cpu;
	broken->slots[slot].number = chunk->number;
	broken->slots[slot].error = error;
}

int drops_broken_error(const struct drops_broken *broken, const struct record_header *header)
{
	unsigned slot = header->cpu % DROPS_BROKEN_SLOTS;

	if (header->kind == RECORD_GAP || broken->slots[slot].cpu != header->cpu ||
	    broken->slots[slot].number != header->number)
		return 0;
	return broken->slots[slot].error;
}
