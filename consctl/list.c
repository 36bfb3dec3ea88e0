/* SPDX-License-Identifier: MIT */
/* consctl list: the processes that run now, in the order of their start. */
#include "consctl.h"
#include "format.h"
#include "os.h"
#include "output.h"
#include "platform.h"
#include "processes.h"

#include <stdlib.h>

static void append_row(struct buffer *buffer, const struct procobsrv_process *process,
		       unsigned columns)
{
	size_t begin = buffer->size;
	char user[64];
	char started[32] = "?";
	char cells[160];

	platform_user_name(process, user, sizeof(user));
	if (process->present & PROCOBSRV_HAS_START)
		platform_short_time(process->start_time_ns, started, sizeof(started));
	snprintf(cells, sizeof(cells), "%7u %7u %-10s %10s ", process->pid, process->ppid, user,
		 started);
	buffer_append_text(buffer, cells);
	append_command(buffer, process);
	cut_line(buffer, begin, columns);
	buffer_append_character(buffer, '\n');
}

static void append_header(struct buffer *buffer)
{
	char cells[160];

	snprintf(cells, sizeof(cells), "%7s %7s %-10s %10s %s\n", "PID", "PPID", "USER", "STARTED",
		 "COMMAND");
	buffer_append_text(buffer, cells);
}

static int print(const struct settings *settings, const struct processes *processes,
		 const bool *keep)
{
	struct buffer buffer = BUFFER_EMPTY;
	unsigned columns = os_terminal_columns(stdout);
	int error;

	if (settings->format == PROCOBSRV_FORMAT_TEXT)
		append_header(&buffer);
	for (size_t index = 0; index < processes->count; index++) {
		if (!keep[index])
			continue;
		if (settings->format == PROCOBSRV_FORMAT_JSON)
			format_json_process(&buffer, processes->items[index]);
		else
			append_row(&buffer, processes->items[index], columns);
	}
	error = output_print(&buffer);
	buffer_free(&buffer);
	return output_status(NULL, error);
}

int list_run(const struct settings *settings)
{
	struct processes processes;
	size_t *parents = NULL;
	bool *keep = NULL;
	int status;

	status = processes_collect(settings, &processes);
	if (status)
		return status;
	parents = processes_parents(&processes);
	keep = calloc(processes.count + 1, sizeof(*keep));
	if (parents && keep) {
		status = processes_match(&processes, parents, settings->match, keep);
	} else {
		complain("out of memory for a list of processes");
		status = STATUS_FAILED;
	}
	if (status == STATUS_FINE)
		status = print(settings, &processes, keep);
	free(keep);
	free(parents);
	processes_free(&processes);
	return status;
}
