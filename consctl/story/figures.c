/* SPDX-License-Identifier: MIT */
/* The story in numbers. */
#include "story.h"

#include <stdlib.h>

static uint64_t span(int64_t from_ns, int64_t to_ns)
{
	return to_ns > from_ns ? (uint64_t)(to_ns - from_ns) : 0;
}

/* A process begins (+1) or ends (-1). */
struct change {
	int64_t time_ns;
	int by;
};

/* Who ends makes room for who begins at the same time. */
static int compare_changes(const void *left, const void *right)
{
	const struct change *a = left;
	const struct change *b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->by - b->by;
}

static bool find_peak(const struct story *story, struct story_figures *figures)
{
	struct change *changes = malloc((2 * story->count + 1) * sizeof(*changes));
	size_t count = 0;
	size_t now = 0;

	if (!changes)
		return false;
	for (size_t index = 0; index < story->count; index++) {
		const struct story_process *process = &story->processes[index];

		if (process->existed)
			continue;
		changes[count++] = (struct change){process->start_ns, 1};
		/* Whoever ends in the instant in which it began was there all the same. */
		if (process->end_ns)
			changes[count++] = (struct change){
			    process->end_ns + (process->end_ns <= process->start_ns), -1};
	}
	qsort(changes, count, sizeof(*changes), compare_changes);
	for (size_t index = 0; index < count; index++) {
		if (changes[index].by < 0 && now)
			now--;
		else if (changes[index].by > 0)
			now++;
		if (now > figures->peak)
			figures->peak = now;
	}
	free(changes);
	return true;
}

struct duration {
	uint64_t ns;
	size_t index;
};

static int compare_durations(const void *left, const void *right)
{
	const struct duration *a = left;
	const struct duration *b = right;

	if (a->ns != b->ns)
		return a->ns > b->ns ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static bool find_slowest(const struct story *story, struct story_figures *figures)
{
	struct duration *durations = malloc((story->count + 1) * sizeof(*durations));
	size_t count = 0;

	figures->slowest = malloc(STORY_SLOWEST * sizeof(*figures->slowest));
	if (!durations || !figures->slowest) {
		free(durations);
		return false;
	}
	for (size_t index = 0; index < story->count; index++)
		if (!story->processes[index].existed)
			durations[count++] = (struct duration){
			    story_process_ns(story, &story->processes[index]), index};
	qsort(durations, count, sizeof(*durations), compare_durations);
	for (size_t index = 0; index < count && index < STORY_SLOWEST; index++)
		figures->slowest[figures->slowest_count++] = durations[index].index;
	free(durations);
	return true;
}

/* Names are stored once, so sorting by address brings equal ones together. */
static int compare_names(const void *left, const void *right)
{
	uintptr_t a = (uintptr_t)((const struct story_total *)left)->name;
	uintptr_t b = (uintptr_t)((const struct story_total *)right)->name;

	return a < b ? -1 : a > b;
}

static int compare_totals(const void *left, const void *right)
{
	const struct story_total *a = left;
	const struct story_total *b = right;

	if (a->wall_ns != b->wall_ns)
		return a->wall_ns > b->wall_ns ? -1 : 1;
	return a->runs > b->runs ? -1 : a->runs < b->runs;
}

/* A row for each program of each process. */
static size_t list_programs(const struct story *story, struct story_total *totals)
{
	size_t count = 0;

	for (size_t index = 0; index < story->count; index++) {
		const struct story_process *process = &story->processes[index];

		for (size_t place = 0; !process->existed && place < process->program_count;
		     place++) {
			const struct story_program *program = &process->programs[place];
			bool last = place + 1 == process->program_count;
			int64_t end_ns = last ? story_process_end(story, process)
					      : process->programs[place + 1].time_ns;
			uint64_t ns = span(program->time_ns, end_ns);

			totals[count++] = (struct story_total){
			    .name = program->name,
			    .runs = 1,
			    .failed = last && story_process_failed(process),
			    .wall_ns = ns,
			    .longest_ns = ns,
			    .cpu_ns = last ? process->cpu_ns : 0,
			};
		}
	}
	return count;
}

static size_t merge_names(struct story_total *totals, size_t count)
{
	size_t merged = 0;

	for (size_t index = 0; index < count; index++) {
		struct story_total *total = &totals[index];

		if (!merged || totals[merged - 1].name != total->name) {
			totals[merged++] = *total;
			continue;
		}
		totals[merged - 1].runs += total->runs;
		totals[merged - 1].failed += total->failed;
		totals[merged - 1].wall_ns += total->wall_ns;
		totals[merged - 1].cpu_ns += total->cpu_ns;
		if (total->longest_ns > totals[merged - 1].longest_ns)
			totals[merged - 1].longest_ns = total->longest_ns;
	}
	return merged;
}

static bool find_totals(const struct story *story, struct story_figures *figures)
{
	size_t count = 0;

	for (size_t index = 0; index < story->count; index++)
		count += story->processes[index].program_count;
	figures->totals = malloc((count + 1) * sizeof(*figures->totals));
	if (!figures->totals)
		return false;
	count = list_programs(story, figures->totals);
	qsort(figures->totals, count, sizeof(*figures->totals), compare_names);
	count = merge_names(figures->totals, count);
	qsort(figures->totals, count, sizeof(*figures->totals), compare_totals);
	figures->total_count = count;
	return true;
}

static void count_processes(const struct story *story, struct story_figures *figures)
{
	for (size_t index = 0; index < story->count; index++) {
		const struct story_process *process = &story->processes[index];

		figures->failed_execs += process->failed_execs;
		if (process->existed)
			continue;
		figures->processes++;
		figures->killed += process->has_status && process->signal;
		figures->failed += process->has_status && process->code && !process->signal;
		figures->running += !process->end_ns;
		figures->cpu_ns += process->cpu_ns;
		if (process->max_rss_bytes > figures->max_rss_bytes) {
			figures->max_rss_bytes = process->max_rss_bytes;
			figures->max_rss_process = index;
		}
	}
	figures->wall_ns = span(story->begin_ns, story->end_ns);
}

bool story_figures(const struct story *story, struct story_figures *figures)
{
	*figures = (struct story_figures){0};
	count_processes(story, figures);
	if (find_peak(story, figures) && find_slowest(story, figures) &&
	    find_totals(story, figures))
		return true;
	story_figures_free(figures);
	return false;
}

void story_figures_free(struct story_figures *figures)
{
	free(figures->totals);
	free(figures->slowest);
	*figures = (struct story_figures){0};
}
