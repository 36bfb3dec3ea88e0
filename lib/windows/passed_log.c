/* SPDX-License-Identifier: MIT */
#include "passed_log.h"

#include <string.h>

/* A run is looked through from its beginning. */
#define RUN_MOST 1024u
/* What is forgotten is moved out of the way when it is as much as this, and as what is left. */
#define FORGET_LEAST 4096u

_Static_assert((RECORD_SIZE_MAX / 8 << 2) < UINT16_MAX && RECORD_LOST_KINDS <= 4,
	       "a step must fit");

struct passed_run {
	struct ioctl_token begin;
	uint64_t first; /* step */
	uint64_t end;	/* position after its last record */
	uint64_t count; /* steps */
};

static struct passed_run *runs_of(const struct passed_log *log)
{
	return (struct passed_run *)(void *)log->runs.data;
}

static size_t count_runs(const struct passed_log *log)
{
	return log->runs.size / sizeof(struct passed_run);
}

static uint64_t next_step(const struct passed_log *log)
{
	return log->forgotten + log->steps.size / sizeof(uint16_t);
}

bool passed_log_begin(struct passed_log *log, const struct ioctl_token *token)
{
	size_t count = count_runs(log);
	struct passed_run *last = count ? &runs_of(log)[count - 1] : NULL;

	if (last && last->end == token->position && last->count < RUN_MOST)
		return true;
	struct passed_run *run = arena_add(&log->runs, sizeof(*run));
	if (!run)
		return false;
	*run =
	    (struct passed_run){.begin = *token, .first = next_step(log), .end = token->position};
	return true;
}

bool passed_log_add(struct passed_log *log, const struct record_header *header)
{
	struct passed_run *run = &runs_of(log)[count_runs(log) - 1];
	uint16_t *step = arena_add(&log->steps, sizeof(*step));

	if (!step)
		return false;
	*step = (uint16_t)(header->size / 8 << 2 | RECORD_LOST_INDEX(header->kind));
	run->end += header->size;
	run->count++;
	return true;
}

/* Moves a token past one record. */
static void pass(struct ioctl_token *token, uint16_t step)
{
	token->position += (uint64_t)(step >> 2) * 8;
	token->passed[step & 3]++;
}

static uint16_t step_at(const struct passed_log *log, uint64_t step)
{
	return ((const uint16_t *)(const void *)log->steps.data)[step - log->forgotten];
}

static void forget_steps(struct passed_log *log, uint64_t before)
{
	size_t forgotten = (size_t)(before - log->forgotten) * sizeof(uint16_t);

	if (forgotten < FORGET_LEAST || forgotten < log->steps.size / 2)
		return;
	arena_consume(&log->steps, forgotten);
	log->forgotten = before;
}

static void forget_runs(struct passed_log *log, size_t count)
{
	if (count)
		arena_consume(&log->runs, count * sizeof(struct passed_run));
}

bool passed_log_take(struct passed_log *log, uint64_t position, struct ioctl_token *token)
{
	size_t index = 0, count = count_runs(log);

	while (index < count && runs_of(log)[index].end < position)
		index++;
	if (index == count || runs_of(log)[index].begin.position > position)
		return false;
	struct passed_run *run = &runs_of(log)[index];
	struct ioctl_token place = run->begin;
	uint64_t passed = 0;
	while (place.position < position && passed < run->count)
		pass(&place, step_at(log, run->first + passed++));
	if (place.position != position)
		return false;
	*token = place;
	run->begin = place;
	run->first += passed;
	run->count -= passed;
	forget_runs(log, index);
	forget_steps(log, runs_of(log)[0].first);
	return true;
}

void passed_log_free(struct passed_log *log)
{
	arena_free(&log->runs);
	arena_free(&log->steps);
	log->forgotten = 0;
}
