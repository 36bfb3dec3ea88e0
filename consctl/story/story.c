/* SPDX-License-Identifier: MIT */
/* Events become processes with programs, a beginning and an end. */
#include "story.h"
#include "redact.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 256

void story_open(struct story *story)
{
	*story = (struct story){.strings = STRINGS_EMPTY, .scratch = BUFFER_EMPTY};
}

void story_close(struct story *story)
{
	for (size_t index = 0; index < story->count; index++)
		free(story->processes[index].programs);
	free(story->processes);
	free(story->slots);
	strings_free(&story->strings);
	buffer_free(&story->scratch);
	redaction_free(story->redaction);
}

static const char *keep(struct story *story, const char *text)
{
	const char *kept = strings_add(&story->strings, text);

	if (text && !kept)
		story->failed = true;
	return kept;
}

/* Ids are stored once, so their addresses are as good as they are. */
static size_t *slot_of(const struct story *story, const char *id)
{
	size_t mask = story->slot_count - 1;
	size_t slot = (size_t)(((uint64_t)(uintptr_t)id * 0x9e3779b97f4a7c15) >> 32) & mask;

	while (story->slots[slot] != STORY_NONE && story->processes[story->slots[slot]].id != id)
		slot = (slot + 1) & mask;
	return &story->slots[slot];
}

static bool grow_slots(struct story *story)
{
	size_t count = story->capacity * 2;
	size_t *slots = malloc(count * sizeof(*slots));

	if (!slots)
		return false;
	free(story->slots);
	story->slots = slots;
	story->slot_count = count;
	for (size_t slot = 0; slot < count; slot++)
		slots[slot] = STORY_NONE;
	for (size_t index = 0; index < story->count; index++)
		*slot_of(story, story->processes[index].id) = index;
	return true;
}

static bool grow(struct story *story)
{
	size_t capacity = story->capacity ? story->capacity * 2 : FIRST_CAPACITY;
	struct story_process *processes =
	    realloc(story->processes, capacity * sizeof(*story->processes));

	if (!processes)
		return false;
	story->processes = processes;
	story->capacity = capacity;
	return grow_slots(story);
}

/* The index of who has this (kept) id; STORY_NONE: nobody yet. */
static size_t find(const struct story *story, const char *id)
{
	return id && story->slot_count ? *slot_of(story, id) : STORY_NONE;
}

static bool add_program(struct story *story, struct story_process *process,
			const struct story_program *program, int64_t time_ns)
{
	struct story_program *programs =
	    realloc(process->programs, (process->program_count + 1) * sizeof(*programs));

	if (!programs)
		return false;
	process->programs = programs;
	programs[process->program_count++] = (struct story_program){
	    .time_ns = time_ns,
	    .name = keep(story, program->name ? program->name : "?"),
	    .exe = keep(story, program->exe),
	    .command = keep(story, program->command),
	    .cwd = keep(story, program->cwd),
	};
	return !story->failed;
}

static struct story_process *add_process(struct story *story, const struct story_news *news)
{
	const char *id = keep(story, news->id);
	struct story_process *process;

	if (!id || (story->count == story->capacity && !grow(story)))
		return NULL;
	process = &story->processes[story->count];
	*process = (struct story_process){
	    .id = id,
	    .pid = news->pid,
	    .parent = find(story, keep(story, news->parent_id)),
	    .start_ns = news->start_ns ? news->start_ns : news->time_ns,
	    .existed = news->kind != PROCOBSRV_START,
	};
	if (!add_program(story, process, &news->program, process->start_ns)) {
		free(process->programs);
		return NULL;
	}
	*slot_of(story, id) = story->count++;
	if (!process->existed && (!story->begin_ns || process->start_ns < story->begin_ns))
		story->begin_ns = process->start_ns;
	return process;
}

static void end_process(struct story_process *process, const struct story_news *news)
{
	process->end_ns = news->time_ns;
	process->has_status = news->has_status;
	process->code = news->code;
	process->signal = news->signal;
	process->core_dumped = news->core_dumped;
	process->has_usage = news->has_usage;
	process->cpu_ns = news->cpu_ns;
	process->max_rss_bytes = news->max_rss_bytes;
}

void story_add(struct story *story, const struct story_news *news)
{
	struct story_process *process;
	size_t index;

	story->lost += news->lost;
	if (news->time_ns > story->end_ns)
		story->end_ns = news->time_ns;
	if (!story->begin_ns)
		story->begin_ns = news->time_ns;
	if (!news->id)
		return;
	index = find(story, keep(story, news->id));
	process = index == STORY_NONE ? add_process(story, news) : &story->processes[index];
	if (!process) {
		story->failed = true;
		return;
	}
	if (news->has_uid) {
		process->has_uid = true;
		process->uid = news->uid;
	}
	if (news->kind == PROCOBSRV_EXEC_FAILED)
		process->failed_execs++;
	else if (news->kind == PROCOBSRV_EXIT)
		end_process(process, news);
	else if (news->kind == PROCOBSRV_EXEC && index != STORY_NONE &&
		 !add_program(story, process, &news->program, news->time_ns))
		story->failed = true;
}

const struct story_program *story_program(const struct story_process *process)
{
	return &process->programs[process->program_count - 1];
}

int64_t story_process_end(const struct story *story, const struct story_process *process)
{
	return process->end_ns ? process->end_ns : story->end_ns;
}

uint64_t story_process_ns(const struct story *story, const struct story_process *process)
{
	int64_t end_ns = story_process_end(story, process);

	return end_ns > process->start_ns ? (uint64_t)(end_ns - process->start_ns) : 0;
}

bool story_process_failed(const struct story_process *process)
{
	return process->has_status && (process->code || process->signal);
}

size_t story_root(const struct story *story)
{
	size_t *descendants = calloc(story->count + 1, sizeof(*descendants));
	size_t root = story->count ? 0 : STORY_NONE;

	if (!descendants)
		return root;
	/* Children stand behind their parents. */
	for (size_t index = story->count; index-- > 0;) {
		size_t parent = story->processes[index].parent;

		if (parent != STORY_NONE)
			descendants[parent] += descendants[index] + 1;
		else if (root == STORY_NONE || descendants[index] >= descendants[root] ||
			 story->processes[root].parent != STORY_NONE)
			root = index;
	}
	free(descendants);
	return root;
}
