/* SPDX-License-Identifier: MIT */
#include "gaps.h"

#include "procobsrv.h"

#include <stdlib.h>
#include <string.h>

static struct gaps_sequence *sequence_of(struct gaps *gaps, uint32_t cpu)
{
	if (cpu < gaps->count)
		return &gaps->sequences[cpu];
	if (cpu >= SOURCE_SEQUENCES_MAX)
		return NULL;

	size_t count = (size_t)cpu + 1;
	struct gaps_sequence *grown = realloc(gaps->sequences, count * sizeof *grown);
	if (!grown)
		return NULL;
	memset(grown + gaps->count, 0, (count - gaps->count) * sizeof *grown);
	gaps->sequences = grown;
	gaps->count = count;
	return &grown[cpu];
}

void gaps_free(struct gaps *gaps)
{
	free(gaps->sequences);
	*gaps = (struct gaps){0};
}

int gaps_baseline(struct gaps *gaps, const struct source_statistics *statistics)
{
	for (size_t cpu = statistics->sequence_count; cpu-- > 0;) {
		struct gaps_sequence *sequence = sequence_of(gaps, (uint32_t)cpu);
		if (!sequence)
			return PROCOBSRV_ERROR_MEMORY;
		sequence->number = statistics->sequences[cpu].number;
		memcpy(sequence->lost, statistics->sequences[cpu].lost, sizeof sequence->lost);
	}
	memcpy(gaps->skipped, statistics->skipped, sizeof gaps->skipped);
	gaps_count_read(gaps);
	return 0;
}

uint64_t gaps_total(const struct record_gap *gap)
{
	uint64_t total = gap->unknown;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		total += gap->lost[kind];
	return total;
}

void gaps_adopt(struct gaps *gaps, uint64_t read, uint64_t repeats)
{
	gaps_free(gaps);
	gaps->adopt = true;
	gaps->read = read;
	gaps->repeats = repeats;
}

void gaps_count_read(struct gaps *gaps)
{
	gaps->read = 0;
	for (size_t cpu = 0; cpu < gaps->count; cpu++) {
		gaps->read += gaps->sequences[cpu].number;
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			gaps->read -= gaps->sequences[cpu].lost[kind];
	}
}

uint64_t gaps_lost(const struct gaps *gaps)
{
	uint64_t lost = 0;

	for (size_t cpu = 0; cpu < gaps->count; cpu++)
		for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
			lost += gaps->sequences[cpu].lost[kind];
	return gaps->adopt ? UINT64_MAX : lost;
}

uint64_t gaps_accounted(const struct gaps *gaps)
{
	uint64_t accounted = 0;

	for (size_t cpu = 0; cpu < gaps->count; cpu++)
		accounted += gaps->sequences[cpu].number;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		accounted += gaps->skipped[kind];
	return accounted - gaps->repeats;
}

/* Counts what the counters have grown by into gap, and accounts for it; returns the sum. */
static uint64_t account_lost(struct gaps_sequence *sequence, const uint32_t *lost,
			     struct record_gap *gap)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++) {
		uint32_t grown = lost[kind] - sequence->lost[kind]; /* right across a wrap */
		gap->lost[kind] += grown;
		sum += grown;
		sequence->lost[kind] = lost[kind];
	}
	return sum;
}

/* What of a hole is left when what was told before is taken off. */
static uint64_t take_told(struct gaps *gaps, uint64_t hole)
{
	uint64_t told = hole < gaps->told ? hole : gaps->told;

	gaps->told -= told;
	return hole - told;
}

void gaps_told(struct gaps *gaps, const struct record_gap *gap)
{
	if (gap->stage != RECORD_GAP_QUEUE && gap->stage != RECORD_GAP_SPILL)
		return;
	gaps->told += gaps_total(gap);
	gaps->read += gaps_total(gap); /* it was in the kernel's buffer, and is settled */
}

bool gaps_feed(struct gaps *gaps, const struct record_header *header, struct record_gap *gap)
{
	struct gaps_sequence *sequence = sequence_of(gaps, header->cpu);

	if (!sequence || header->number <= sequence->number)
		return false;

	if (gaps->adopt && !sequence->number) {
		sequence->number = header->number - 1;
		memcpy(sequence->lost, header->lost, sizeof sequence->lost);
	}
	bool missing = header->number != sequence->number + 1 ||
		       memcmp(header->lost, sequence->lost, sizeof sequence->lost);
	if (missing) {
		uint64_t hole = header->number - sequence->number - 1;
		memset(gap, 0, sizeof *gap);
		uint64_t known = account_lost(sequence, header->lost, gap);
		/* What the kernel lost, but the reader before had on disk, is not missing. */
		if (known > hole) {
			memset(gap->lost, 0, sizeof gap->lost);
			known = 0;
		}
		gap->unknown = take_told(gaps, hole > known ? hole - known : 0);
		gap->from_ns = sequence->time_ns;
		gap->to_ns = header->time_ns;
		gap->stage = RECORD_GAP_KERNEL;
		missing = gaps_total(gap) > 0;
	}
	/* Of what lies between the numbers all that is not this one is missing. */
	gaps->read++;
	sequence->number = header->number;
	sequence->time_ns = header->time_ns;
	return missing;
}

bool gaps_trailing(struct gaps *gaps, const struct source_statistics *statistics,
		   struct record_gap *gap)
{
	memset(gap, 0, sizeof *gap);
	gap->stage = RECORD_GAP_KERNEL;
	for (size_t cpu = 0; cpu < statistics->sequence_count; cpu++) {
		const struct source_sequence *now = &statistics->sequences[cpu];
		struct gaps_sequence *sequence = sequence_of(gaps, (uint32_t)cpu);

		/* A counter behind what records have told was read before them. */
		if (!sequence || now->number <= sequence->number ||
		    (gaps->adopt && !sequence->number))
			continue;
		uint64_t lost = account_lost(sequence, now->lost, gap);
		if (!lost)
			continue;
		sequence->number += lost;
		if (!gap->from_ns || sequence->time_ns < gap->from_ns)
			gap->from_ns = sequence->time_ns;
	}
	if (gaps_total(gap))
		return true;

	/* Calls that the kernel skipped have no number: only the count tells. */
	gap->stage = RECORD_GAP_SKIPPED;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++) {
		if (statistics->skipped[kind] <= gaps->skipped[kind])
			continue;
		gap->lost[kind] = statistics->skipped[kind] - gaps->skipped[kind];
		gaps->skipped[kind] = statistics->skipped[kind];
	}
	return gaps_total(gap) > 0;
}
