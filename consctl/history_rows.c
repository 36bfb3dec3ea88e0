/* SPDX-License-Identifier: MIT */
/* history as a table: a line for each program that a process ran. */
#include "consctl.h"
#include "filter.h"
#include "format.h"
#include "history.h"
#include "os.h"
#include "output.h"
#include "platform.h"
#include "processes.h"
#include "story/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define END_WIDTH 10

struct table {
	struct history *history;
	struct output *output;
	struct buffer buffer;
	unsigned columns;
	struct record_run *last; /* --limit: those that are printed at the end, newest first */
	size_t last_count;
};

/* Local time; a record goes back by months. */
static void append_time(struct buffer *buffer, int64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / 1000000000);
	char text[32] = "?";
	struct tm parts;

	if (time_ns && localtime_r(&seconds, &parts))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts);
	buffer_append_text(buffer, text);
	for (size_t size = strlen(text); size < 20; size++)
		buffer_append_character(buffer, ' ');
}

static void append_user(struct buffer *buffer, const struct procobsrv_process *process)
{
	/* The real user, which --user asks for, not the effective one. */
	const struct procobsrv_process user = {
	    .present = process->present, .uid = process->uid, .euid = process->uid};
	size_t begin = buffer->size;
	char name[64];

	platform_user_name(&user, name, sizeof(name));
	format_text_escape(buffer, name);
	while (!buffer->failed && buffer->size < begin + 10)
		buffer_append_character(buffer, ' ');
}

/* How long, and how it ended: by the event that ends it, if there is one. */
static void append_ending(struct buffer *buffer, int64_t begin_ns,
			  const struct procobsrv_event *event)
{
	struct buffer took = BUFFER_EMPTY;
	char cell[32];
	size_t begin;

	if (event && begin_ns && event->time_ns >= begin_ns)
		story_append_duration(&took, (uint64_t)(event->time_ns - begin_ns));
	else
		buffer_append_character(&took, '-');
	snprintf(cell, sizeof(cell), " %11.*s ", (int)took.size, took.data ? took.data : "");
	buffer_free(&took);
	buffer_append_text(buffer, cell);
	begin = buffer->size;
	if (!event)
		buffer_append_character(buffer, '-');
	else if (event->exit)
		story_append_ending(buffer, event->exit->has_status, event->exit->signal,
				    event->exit->code);
	else
		buffer_append_text(buffer, "exec");
	while (!buffer->failed && buffer->size < begin + END_WIDTH)
		buffer_append_character(buffer, ' ');
	buffer_append_character(buffer, ' ');
}

/* The event that ends it: the next exec, or the exit. NULL: there is none. */
static const struct procobsrv_event *ending_of(const struct record_life *life, size_t end)
{
	if (end < life->count)
		return life->events[end];
	return life->count && life->events[life->count - 1]->exit ? life->events[life->count - 1]
								  : NULL;
}

static void append_row(struct table *table, const struct record_run *run,
		       const struct record_life *life)
{
	struct history_part part = history_part_of(run, life);
	const struct procobsrv_event *event =
	    part.own < life->count ? life->events[part.own] : NULL;
	const struct procobsrv_process *process = event ? event->process : life->last;
	/* What ran already began when its process did. */
	int64_t begin_ns = event && event->kind == PROCOBSRV_EXEC ? event->time_ns : life->start_ns;
	struct buffer *buffer = &table->buffer;
	size_t begin = buffer->size;
	char cells[48];

	append_time(buffer, begin_ns);
	append_user(buffer, process);
	snprintf(cells, sizeof(cells), "%8u %7u", process->pid, process->ppid);
	buffer_append_text(buffer, cells);
	append_ending(buffer, begin_ns, ending_of(life, part.end));
	if (process->flags & PROCOBSRV_PROCESS_FORKED)
		buffer_append_text(buffer, "(fork) ");
	append_command(buffer, process);
	cut_line(buffer, begin, table->columns);
	buffer_append_character(buffer, '\n');
}

static void append_header(struct table *table)
{
	size_t begin = table->buffer.size;

	buffer_append_text(&table->buffer, "STARTED             USER            PID    PPID"
					   "        TOOK END        COMMAND");
	cut_line(&table->buffer, begin, table->columns);
	buffer_append_character(&table->buffer, '\n');
}

/* Writes what has come together. */
static int flush(void *param)
{
	struct table *table = param;

	return history_write(table->output, &table->buffer);
}

static int print_run(const struct record_run *run, const struct record_life *life, void *param)
{
	struct table *table = param;

	append_row(table, run, life);
	return STATUS_FINE;
}

static int keep_run(const struct record_run *run, const struct record_life *life, void *param)
{
	struct table *table = param;
	size_t limit = (size_t)table->history->settings->history.limit;
	size_t count = table->last_count;

	(void)life;
	/* Twice the room whenever it is full: at every power of two. */
	if (!(count & (count - 1))) {
		size_t capacity = count ? count * 2 : 1;
		struct record_run *last = realloc(table->last, capacity * sizeof(*table->last));

		if (!last) {
			complain("out of memory for %zu runs", count);
			return STATUS_FAILED;
		}
		table->last = last;
	}
	table->last[table->last_count++] = *run;
	return table->last_count == limit ? HISTORY_ENOUGH : STATUS_FINE;
}

static int print_kept(struct table *table)
{
	bool reverse = table->history->settings->history.reverse;
	int status = STATUS_FINE;

	for (size_t place = 0; place < table->last_count && status == STATUS_FINE; place++) {
		size_t index = reverse ? place : table->last_count - 1 - place;
		struct record_life *life = NULL;
		int error =
		    record_life_load(table->history->reader, table->last[index].process, &life);

		if (error == PROCOBSRV_ERROR_NOT_FOUND)
			continue;
		if (error)
			return history_failed(error);
		append_row(table, &table->last[index], life);
		record_life_free(life);
		status = flush(table);
	}
	return status;
}

/* The newest are found first, and printed last. */
static int print_last(struct table *table)
{
	const struct history_visitor visitor = {keep_run, history_no_pause, table};
	int status = history_visit(table->history, &visitor);

	if (status == HISTORY_ENOUGH)
		status = STATUS_FINE;
	return status == STATUS_FINE ? print_kept(table) : status;
}

static void open_table(struct table *table, struct history *history, struct output *output)
{
	*table = (struct table){.history = history, .output = output};
	table->columns = output->terminal ? os_terminal_columns(stdout) : 0;
	append_header(table);
}

static int close_table(struct table *table, int status)
{
	if (status == STATUS_FINE)
		status = flush(table);
	free(table->last);
	buffer_free(&table->buffer);
	return status;
}

int history_print_rows(struct history *history, struct output *output)
{
	struct table table;
	const struct history_visitor visitor = {print_run, flush, &table};
	int status;

	open_table(&table, history, output);
	status = history->settings->history.limit ? print_last(&table)
						  : history_visit(history, &visitor);
	return close_table(&table, status);
}

/* What it ran when the next one in the line was started: `before_ns`. */
static struct record_run run_at(const struct record_life *life, int64_t before_ns)
{
	struct record_run run = {.process = life->process};

	for (size_t index = 0; index < life->count; index++)
		if (life->execs[index] && (!run.exec || life->events[index]->time_ns <= before_ns))
			run.exec = life->execs[index];
	return run;
}

static bool wanted(const struct history *history, const struct record_run *run,
		   const struct record_life *life)
{
	struct history_part part = history_part_of(run, life);

	return !history->filter ||
	       (part.own < life->count && filter_match(history->filter, life->events[part.own]));
}

int history_print_ancestors(struct history *history, struct output *output)
{
	const struct record_list *line = &history->processes;
	bool reverse = history->settings->history.reverse;
	int64_t before_ns = INT64_MAX;
	struct record_life **lives = calloc(line->count + 1, sizeof(*lives));
	struct record_run *runs = calloc(line->count + 1, sizeof(*runs));
	struct table table;
	int error = lives && runs ? 0 : PROCOBSRV_ERROR_MEMORY;
	int status = STATUS_FINE;

	open_table(&table, history, output);
	for (size_t index = line->count; index-- > 0 && !error;) {
		error = record_life_load(history->reader, line->rows[index], &lives[index]);
		if (error)
			break;
		runs[index] = run_at(lives[index], before_ns);
		before_ns = lives[index]->start_ns;
	}
	for (size_t place = 0; place < line->count && !error; place++) {
		size_t index = reverse ? line->count - 1 - place : place;

		if (wanted(history, &runs[index], lives[index]))
			append_row(&table, &runs[index], lives[index]);
	}
	if (error)
		status = history_failed(error);
	for (size_t index = 0; lives && index < line->count; index++)
		record_life_free(lives[index]);
	free(lives);
	free(runs);
	return close_table(&table, status);
}
