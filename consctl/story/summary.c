/* SPDX-License-Identifier: MIT */
/* The story as text for people. */
#include "format.h"
#include "story.h"
#include "text_line.h"

#include <stdio.h>
#include <stdlib.h>

#define TOTALS_SHOWN 15
#define STEPS_SHOWN  15

void story_append_duration(struct buffer *buffer, uint64_t duration_ns)
{
	double seconds = (double)duration_ns / 1e9;
	char text[48];

	if (seconds < 0.001)
		snprintf(text, sizeof(text), "%.0f us", seconds * 1e6);
	else if (seconds < 1)
		snprintf(text, sizeof(text), "%.1f ms", seconds * 1e3);
	else if (seconds < 60)
		snprintf(text, sizeof(text), "%.2f s", seconds);
	else if (seconds < 3600)
		snprintf(text, sizeof(text), "%d min %02d s", (int)(seconds / 60),
			 (int)seconds % 60);
	else
		snprintf(text, sizeof(text), "%.0f h %02d min", (double)(int)(seconds / 3600),
			 (int)(seconds / 60) % 60);
	buffer_append_text(buffer, text);
}

void story_append_ending(struct buffer *buffer, bool has_status, uint32_t signal, uint32_t code)
{
	if (!has_status) {
		buffer_append_text(buffer, "ended");
		return;
	}
	buffer_append_text(buffer, signal ? "signal " : "exit ");
	buffer_append_unsigned(buffer, signal ? signal : code);
}

/* A line with columns that are its own: text goes into the buffer, and is padded to the left. */
static void append_right(struct buffer *buffer, size_t begin, size_t column)
{
	size_t used = buffer->size - begin;
	size_t room = column > used ? column - used : 0;

	if (!room || !buffer_reserve(buffer, room))
		return;
	for (size_t index = buffer->size; index-- > begin;)
		buffer->data[index + room] = buffer->data[index];
	for (size_t index = 0; index < room; index++)
		buffer->data[begin + index] = ' ';
	buffer->size += room;
}

static void append_number(struct buffer *buffer, uint64_t number, size_t width)
{
	size_t begin = buffer->size;

	buffer_append_unsigned(buffer, number);
	append_right(buffer, begin, width);
}

static void append_time(struct buffer *buffer, uint64_t ns, size_t width)
{
	size_t begin = buffer->size;

	story_append_duration(buffer, ns);
	append_right(buffer, begin, width);
}

/* The rest of a line that `used` columns of are taken: somebody else's text. */
static void append_rest(struct buffer *buffer, const char *text, unsigned columns, size_t used)
{
	struct text_line line = TEXT_LINE_INTO(buffer, columns > used ? columns - used : columns);

	text_line_append_escaped(&line, text);
	buffer_append_character(buffer, '\n');
}

/* A command is escaped already: it is cut only. */
static void append_command_rest(struct buffer *buffer, const struct story_program *program,
				unsigned columns, size_t used)
{
	size_t begin = buffer->size;
	const char *text = program->command;

	if (!text) {
		append_rest(buffer, program->name, columns, used);
		return;
	}
	for (; *text; text++) {
		if ((*text & 0xc0) != 0x80 && columns &&
		    used + format_text_width(buffer->data + begin, buffer->size - begin) >= columns)
			break;
		buffer_append_character(buffer, *text);
	}
	buffer_append_character(buffer, '\n');
}

static void append_totals(const struct story_figures *figures, struct buffer *buffer,
			  unsigned columns)
{
	size_t shown = figures->total_count < TOTALS_SHOWN ? figures->total_count : TOTALS_SHOWN;

	buffer_append_text(buffer, "\n       RUNS  FAILED         TIME      LONGEST          CPU  "
				   "PROGRAM\n");
	for (size_t index = 0; index < shown; index++) {
		const struct story_total *total = &figures->totals[index];

		append_number(buffer, total->runs, 11);
		append_number(buffer, total->failed, 8);
		append_time(buffer, total->wall_ns, 13);
		append_time(buffer, total->longest_ns, 13);
		append_time(buffer, total->cpu_ns, 13);
		buffer_append_text(buffer, "  ");
		append_rest(buffer, total->name, columns, 60);
	}
	if (shown < figures->total_count) {
		buffer_append_text(buffer, "  and ");
		buffer_append_unsigned(buffer, figures->total_count - shown);
		buffer_append_text(buffer, " more programs\n");
	}
}

static void append_slowest(const struct story *story, const struct story_figures *figures,
			   struct buffer *buffer, unsigned columns)
{
	buffer_append_text(buffer, "\n        PID         TIME  THE SLOWEST\n");
	for (size_t index = 0; index < figures->slowest_count; index++) {
		const struct story_process *process = &story->processes[figures->slowest[index]];

		append_number(buffer, process->pid, 11);
		append_time(buffer, story_process_ns(story, process), 13);
		buffer_append_text(buffer, "  ");
		append_command_rest(buffer, story_program(process), columns, 26);
	}
}

/* The parts of one process come together, then those with the longest sum first. */
static int compare_processes(const void *left, const void *right)
{
	const struct story_step *a = left;
	const struct story_step *b = right;

	return a->process < b->process ? -1 : a->process > b->process;
}

static int compare_steps(const void *left, const void *right)
{
	const struct story_step *a = left;
	const struct story_step *b = right;
	int64_t a_ns = a->to_ns - a->from_ns;
	int64_t b_ns = b->to_ns - b->from_ns;

	return a_ns > b_ns ? -1 : a_ns < b_ns;
}

/* A step for each process, as long as all of its own. */
static size_t sum_steps(struct story_step *steps, size_t count)
{
	size_t sums = 0;

	qsort(steps, count, sizeof(*steps), compare_processes);
	for (size_t index = 0; index < count; index++) {
		if (sums && steps[sums - 1].process == steps[index].process)
			steps[sums - 1].to_ns += steps[index].to_ns - steps[index].from_ns;
		else
			steps[sums++] = steps[index];
	}
	qsort(steps, sums, sizeof(*steps), compare_steps);
	return sums;
}

/* The longest only: of thousands nobody reads. */
static void append_path(const struct story *story, struct buffer *buffer, unsigned columns)
{
	size_t count;
	struct story_step *steps = story_critical_path(story, &count);

	if (!steps)
		return;
	count = sum_steps(steps, count);
	buffer_append_text(buffer, "\n        PID         TIME  THE END WAITED FOR\n");
	for (size_t index = 0; index < count && index < STEPS_SHOWN; index++) {
		const struct story_process *process = &story->processes[steps[index].process];

		append_number(buffer, process->pid, 11);
		append_time(buffer, (uint64_t)(steps[index].to_ns - steps[index].from_ns), 13);
		buffer_append_text(buffer, "  ");
		append_command_rest(buffer, story_program(process), columns, 26);
	}
	free(steps);
}

static void append_counts(const struct story *story, const struct story_figures *figures,
			  struct buffer *buffer)
{
	char line[200];

	snprintf(line, sizeof(line),
		 "%zu processes: %zu failed, %zu killed, %zu still running; %llu failed execs; "
		 "%zu at once at most\n",
		 figures->processes, figures->failed, figures->killed, figures->running,
		 (unsigned long long)figures->failed_execs, figures->peak);
	buffer_append_text(buffer, line);
	story_append_duration(buffer, figures->wall_ns);
	buffer_append_text(buffer, " from the first start to the last end, ");
	story_append_duration(buffer, figures->cpu_ns);
	buffer_append_text(buffer, " of CPU time");
	if (figures->wall_ns) {
		snprintf(line, sizeof(line), " (%.2f cpus busy)",
			 (double)figures->cpu_ns / (double)figures->wall_ns);
		buffer_append_text(buffer, line);
	}
	buffer_append_character(buffer, '\n');
	if (figures->max_rss_bytes) {
		snprintf(line, sizeof(line), "%.1f MiB of memory at most in one process: pid %lu ",
			 (double)figures->max_rss_bytes / (1024 * 1024),
			 (unsigned long)story->processes[figures->max_rss_process].pid);
		buffer_append_text(buffer, line);
		append_rest(buffer,
			    story_program(&story->processes[figures->max_rss_process])->name, 0, 0);
	}
	if (story->lost) {
		snprintf(line, sizeof(line), "%llu events were lost: this is not the whole story\n",
			 (unsigned long long)story->lost);
		buffer_append_text(buffer, line);
	}
}

void story_append_summary(const struct story *story, struct buffer *buffer, unsigned columns)
{
	struct story_figures figures;

	if (story->failed || !story_figures(story, &figures)) {
		buffer->failed = true;
		return;
	}
	append_counts(story, &figures, buffer);
	if (figures.processes) {
		append_totals(&figures, buffer, columns);
		append_slowest(story, &figures, buffer, columns);
		append_path(story, buffer, columns);
	}
	story_figures_free(&figures);
}
