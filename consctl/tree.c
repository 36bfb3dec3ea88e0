/* SPDX-License-Identifier: MIT */
/* consctl tree: the processes that run, or ran at some time, each below its parent. */
#include "consctl.h"
#include "format.h"
#include "history_story.h"
#include "os.h"
#include "platform.h"
#include "processes.h"
#include "story/story.h"
#include "story_file.h"
#include "tree_drawing.h"
#include "wall_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_DAY (86400 * INT64_C(1000000000))

/* What stands before the command: pid, start, how long. Widths as in the headers. */
static void append_columns(struct buffer *buffer, uint32_t pid, int64_t start_ns, uint64_t took_ns)
{
	struct buffer took = BUFFER_EMPTY;
	char started[32] = "?";
	char cells[96];

	if (start_ns)
		platform_short_time(start_ns, started, sizeof(started));
	story_append_duration(&took, took_ns);
	snprintf(cells, sizeof(cells), "%7lu %10s %12.*s ", (unsigned long)pid, started,
		 start_ns ? (int)took.size : 1, start_ns ? took.data : "?");
	buffer_append_text(buffer, cells);
	buffer_free(&took);
}

/* The processes that run now. */

struct present {
	struct processes processes;
	size_t *parents;
	bool *keep;
	int64_t now_ns;
};

static void append_present_columns(struct buffer *buffer, size_t index, void *param)
{
	const struct present *present = param;
	const struct procobsrv_process *process = present->processes.items[index];
	bool known = process->present & PROCOBSRV_HAS_START;
	int64_t age_ns = present->now_ns - process->start_time_ns;

	append_columns(buffer, process->pid, known ? process->start_time_ns : 0,
		       age_ns > 0 ? (uint64_t)age_ns : 0);
}

static void append_present_command(struct buffer *buffer, size_t index, void *param)
{
	append_command(buffer, ((const struct present *)param)->processes.items[index]);
}

static void append_present_json(struct buffer *buffer, size_t index, void *param)
{
	format_json_process(buffer, ((const struct present *)param)->processes.items[index]);
}

/* A parent that is younger than its child is another process that got the same pid. */
static void drop_impostors(struct present *present)
{
	for (size_t index = 0; index < present->processes.count; index++) {
		size_t parent = present->parents[index];

		if (parent != TREE_NONE && present->processes.items[parent]->start_boot_ns >
					       present->processes.items[index]->start_boot_ns)
			present->parents[index] = TREE_NONE;
	}
}

static int draw_present(struct present *present, bool json)
{
	return tree_draw(&(struct tree_drawing){
	    .count = present->processes.count,
	    .parents = present->parents,
	    .keep = present->keep,
	    .header = json ? NULL : "    PID    STARTED          AGE COMMAND\n",
	    .append_columns = append_present_columns,
	    .append_command = append_present_command,
	    .append_line = json ? append_present_json : NULL,
	    .param = present,
	});
}

static int tree_now(const struct settings *settings)
{
	struct present present = {.now_ns = os_wall_ns()};
	int status = processes_collect(settings, &present.processes);

	if (status)
		return status;
	present.parents = processes_parents(&present.processes);
	present.keep = calloc(present.processes.count + 1, sizeof(*present.keep));
	if (present.parents && present.keep) {
		drop_impostors(&present);
		status = processes_match(&present.processes, present.parents, settings->match,
					 present.keep);
	} else {
		complain("out of memory for a tree of processes");
		status = STATUS_FAILED;
	}
	if (status == STATUS_FINE)
		status = draw_present(&present, settings->format == PROCOBSRV_FORMAT_JSON);
	free(present.keep);
	free(present.parents);
	processes_free(&present.processes);
	return status;
}

/* Those of a story: at a moment, or all. */

struct past {
	struct story story;
	size_t *parents;
	bool *keep;
	int64_t at_ns;
	bool moment; /* only who ran then */
};

static void append_past_end(struct buffer *buffer, const struct story_process *process)
{
	size_t begin = buffer->size;

	if (process->end_ns)
		story_append_ending(buffer, process->has_status, process->signal, process->code);
	else
		buffer_append_character(buffer, '-');
	while (!buffer->failed && buffer->size < begin + 10)
		buffer_append_character(buffer, ' ');
}

static void append_past_columns(struct buffer *buffer, size_t index, void *param)
{
	const struct past *past = param;
	const struct story_process *process = &past->story.processes[index];

	append_columns(buffer, process->pid, process->start_ns,
		       story_process_ns(&past->story, process));
	append_past_end(buffer, process);
}

/* What it ran at that moment, which need not be its last. */
static void append_past_command(struct buffer *buffer, size_t index, void *param)
{
	const struct past *past = param;
	const struct story_process *process = &past->story.processes[index];
	const struct story_program *program = story_program(process);

	while (past->moment && program > process->programs && program->time_ns > past->at_ns)
		program--;
	if (program->command) {
		buffer_append_text(buffer, program->command);
		return;
	}
	buffer_append_character(buffer, '[');
	format_text_escape(buffer, program->name);
	buffer_append_character(buffer, ']');
}

static bool ran_then(const struct past *past, const struct story_process *process)
{
	return !past->moment || (process->start_ns <= past->at_ns &&
				 (!process->end_ns || process->end_ns > past->at_ns));
}

static int draw_past(struct past *past)
{
	size_t count = past->story.count;

	past->parents = calloc(count + 1, sizeof(*past->parents));
	past->keep = calloc(count + 1, sizeof(*past->keep));
	if (!past->parents || !past->keep) {
		complain("out of memory for a tree of processes");
		return STATUS_FAILED;
	}
	for (size_t index = 0; index < count; index++) {
		past->parents[index] = past->story.processes[index].parent;
		past->keep[index] = ran_then(past, &past->story.processes[index]);
	}
	return tree_draw(&(struct tree_drawing){
	    .count = count,
	    .parents = past->parents,
	    .keep = past->keep,
	    .header = "    PID    STARTED         TOOK END       COMMAND\n",
	    .append_columns = append_past_columns,
	    .append_command = append_past_command,
	    .param = past,
	});
}

static int take_moment(const char *at, int64_t day_ns, int64_t *at_ns)
{
	if (wall_time_read_typed(at, day_ns, os_wall_ns(), at_ns))
		return STATUS_FINE;
	complain(
	    "--at %s: must be a time as 10:30, yesterday, '2 hours ago', '2026-11-22 06:13' or "
	    "2026-11-22T06:13:00Z",
	    at);
	return STATUS_USAGE;
}

/* A time of day alone is of the day of the last event. */
static int read_file(struct past *past, const struct settings *settings)
{
	int status = story_file_read(&past->story, settings->from, NULL);

	past->moment = settings->at;
	if (status == STATUS_FINE && settings->at)
		status = take_moment(settings->at, past->story.end_ns, &past->at_ns);
	return status;
}

static int read_record(struct past *past, const struct settings *settings)
{
	int status = STATUS_FINE;

	past->moment = true;
	past->at_ns = os_wall_ns();
	if (settings->at)
		status = take_moment(settings->at, past->at_ns, &past->at_ns);
	if (status == STATUS_FINE)
		status = history_story_read(&past->story, settings, &past->at_ns);
	return status;
}

static int tree_then(const struct settings *settings)
{
	struct past past = {.parents = NULL};
	int status;
	int drawn = STATUS_FINE;

	story_open(&past.story);
	story_redact(&past.story, settings->redact);
	status = settings->from ? read_file(&past, settings) : read_record(&past, settings);
	if (status == STATUS_FINE || status == STATUS_LOST)
		drawn = draw_past(&past);
	free(past.keep);
	free(past.parents);
	story_close(&past.story);
	return drawn == STATUS_FINE ? status : drawn;
}

int tree_run(const struct settings *settings)
{
	bool past = settings->from || settings->at || settings->history.record;

	if (settings->from && settings->history.record) {
		complain("--from and --record: one of them at a time");
		return STATUS_USAGE;
	}
	if (past && (settings->match || settings->format == PROCOBSRV_FORMAT_JSON)) {
		complain("%s draws all that %s tells: it takes neither --match nor --format json",
			 settings->from ? "--from" : "--at",
			 settings->from ? "the file" : "the record");
		return STATUS_USAGE;
	}
	if (past && !settings_look_back(settings))
		return STATUS_USAGE;
	return past ? tree_then(settings) : tree_now(settings);
}
