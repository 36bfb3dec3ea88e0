/* SPDX-License-Identifier: MIT */
#include "processes.h"
#include "consctl.h"
#include "filter.h"
#include "format.h"

#include <stdlib.h>
#include <string.h>

struct collector {
	struct processes *processes;
	bool kernel_threads;
};

static int collect(const struct procobsrv_process *process, void *param)
{
	struct collector *collector = param;
	struct processes *processes = collector->processes;

	if (process->flags & PROCOBSRV_PROCESS_KERNEL_THREAD && !collector->kernel_threads)
		return 0;
	if (processes->count == processes->capacity) {
		size_t capacity = processes->capacity ? processes->capacity * 2 : 512;
		const struct procobsrv_process **items =
		    realloc(processes->items, capacity * sizeof(*items));

		if (!items)
			return PROCOBSRV_ERROR_MEMORY;
		processes->items = items;
		processes->capacity = capacity;
	}
	processes->items[processes->count++] = procobsrv_process_ref(process);
	return 0;
}

/* Events that come while we look are of no interest, but must not pile up either. */
static void ignore_event(const struct procobsrv_event *event, void *param)
{
	(void)event;
	(void)param;
}

int processes_collect(const struct settings *settings, struct processes *processes)
{
	struct collector collector = {processes, settings->kernel_threads};
	struct procobsrv_options options;
	struct procobsrv *monitor;
	int error;

	*processes = (struct processes){0};
	if (!settings_suit(settings, 0))
		return STATUS_USAGE;
	settings_observe(settings, &options);
	options.handler.on_event = ignore_event;
	options.match = NULL; /* applied to what the table holds, which no filter touches */
	options.kinds = PROCOBSRV_KIND_BIT(PROCOBSRV_EXISTING);
	error = procobsrv_open(&options, &monitor);
	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	error = procobsrv_start(monitor);
	if (!error)
		error = procobsrv_visit(monitor, collect, &collector);
	if (error)
		complain_library(error);
	procobsrv_close(monitor);
	if (error)
		processes_free(processes);
	return error ? STATUS_FAILED : STATUS_FINE;
}

void processes_free(struct processes *processes)
{
	for (size_t index = 0; index < processes->count; index++)
		procobsrv_process_unref(processes->items[index]);
	free(processes->items);
	*processes = (struct processes){0};
}

struct place {
	uint32_t pid;
	size_t index;
};

static int compare_places(const void *one, const void *other)
{
	const struct place *left = one;
	const struct place *right = other;

	return (left->pid > right->pid) - (left->pid < right->pid);
}

size_t *processes_parents(const struct processes *processes)
{
	size_t *parents = calloc(processes->count + 1, sizeof(*parents));
	struct place *places = calloc(processes->count + 1, sizeof(*places));

	if (!parents || !places) {
		free(parents);
		parents = NULL;
		goto free;
	}
	for (size_t index = 0; index < processes->count; index++)
		places[index] = (struct place){processes->items[index]->pid, index};
	qsort(places, processes->count, sizeof(*places), compare_places);
	for (size_t index = 0; index < processes->count; index++) {
		const struct procobsrv_process *process = processes->items[index];
		const struct place wanted = {process->ppid, 0};
		const struct place *found = NULL;

		if (process->present & PROCOBSRV_HAS_PPID)
			found = bsearch(&wanted, places, processes->count, sizeof(*places),
					compare_places);
		parents[index] = found && found->index != index ? found->index : SIZE_MAX;
	}
free:
	free(places);
	return parents;
}

int processes_match(const struct processes *processes, const size_t *parents,
		    const char *expression, bool *keep)
{
	struct filter *filter;
	int error;

	if (!expression) {
		memset(keep, true, processes->count * sizeof(*keep));
		return STATUS_FINE;
	}
	error = filter_compile(expression, &filter);
	if (error) {
		complain_library(error);
		return error == PROCOBSRV_ERROR_EXPRESSION ? STATUS_USAGE : STATUS_FAILED;
	}
	for (size_t index = 0; index < processes->count; index++) {
		const struct procobsrv_process *process = processes->items[index];
		size_t parent = parents[index];
		const struct procobsrv_event event = {
		    .kind = PROCOBSRV_EXISTING,
		    .time_ns = process->start_time_ns,
		    .boot_ns = process->start_boot_ns,
		    .process = process,
		    .parent = parent == SIZE_MAX ? NULL : processes->items[parent],
		};

		keep[index] = filter_match(filter, &event);
	}
	filter_free(filter);
	return STATUS_FINE;
}

void append_command(struct buffer *buffer, const struct procobsrv_process *process)
{
	if (!(process->flags & PROCOBSRV_PROCESS_KERNEL_THREAD) &&
	    format_text_command(buffer, process))
		return;
	buffer_append_character(buffer, '[');
	format_text_escape(buffer, process->name);
	buffer_append_character(buffer, ']');
}

void cut_line(struct buffer *buffer, size_t begin, unsigned columns)
{
	size_t width = 0;
	size_t end = begin;

	if (!columns)
		return;
	while (end < buffer->size) {
		size_t next = end + 1;

		/* The bytes that continue a character of UTF-8 are 10xxxxxx. */
		while (next < buffer->size && (buffer->data[next] & 0xc0) == 0x80)
			next++;
		width += format_text_width(buffer->data + end, next - end);
		if (width > columns)
			break;
		end = next;
	}
	buffer->size = end;
}
