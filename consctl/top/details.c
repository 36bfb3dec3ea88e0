/* SPDX-License-Identifier: MIT */
#include "details.h"
#include "../platform.h"
#include "../processes.h"
#include "../story/story.h"
#include "format.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN_SHOWN 200

struct details {
	struct buffer *buffer;
	unsigned columns;
	const struct procobsrv_process *process;
	size_t children;
};

static void end_line(struct details *details, size_t begin)
{
	cut_line(details->buffer, begin, details->columns);
	buffer_append_character(details->buffer, '\n');
}

static size_t begin_line(struct details *details, const char *name)
{
	size_t begin = details->buffer->size;
	char cell[32];

	snprintf(cell, sizeof(cell), "%-12s ", name);
	buffer_append_text(details->buffer, cell);
	return begin;
}

static void append_text(struct details *details, const char *name, const char *value)
{
	size_t begin;

	if (!value)
		return;
	begin = begin_line(details, name);
	format_text_escape(details->buffer, value);
	end_line(details, begin);
}

static void append_number(struct details *details, const char *name, uint64_t value)
{
	size_t begin = begin_line(details, name);

	buffer_append_unsigned(details->buffer, value);
	end_line(details, begin);
}

/* Arguments one a line: that is what one looks for. */
static void append_arguments(struct details *details)
{
	const struct procobsrv_process *process = details->process;

	for (size_t index = 0; index < process->argc && index < 200; index++) {
		char name[16];

		snprintf(name, sizeof(name), "argv[%zu]", index);
		append_text(details, name, process->argv[index]);
	}
}

static void append_identity(struct details *details)
{
	const struct procobsrv_process *process = details->process;
	char text[64];

	append_number(details, "pid", process->pid);
	if (process->present & PROCOBSRV_HAS_NS_PID)
		append_number(details, "ns_pid", process->ns_pid);
	append_text(details, "name", process->name);
	append_text(details, "exe", process->exe);
	append_text(details, "script", process->script);
	append_text(details, "cwd", process->cwd);
	platform_user_name(process, text, sizeof(text));
	append_text(details, "user", text);
	if (process->present & PROCOBSRV_HAS_LOGINUID)
		append_number(details, "loginuid", process->loginuid);
	append_text(details, "tty", process->tty);
	append_text(details, "cgroup", process->cgroup);
	append_text(details, "container", process->container_id);
	append_text(details, "runtime", process->runtime);
	append_text(details, "unit", process->unit);
	if (process->present & PROCOBSRV_HAS_START) {
		size_t begin = begin_line(details, "start");

		buffer_append_time(details->buffer, process->start_time_ns);
		end_line(details, begin);
	}
	append_text(details, "id", process->id);
	for (size_t index = 0; index < process->missing_count; index++) {
		snprintf(text, sizeof(text), "%s: %s", process->missing[index].field,
			 process->missing[index].reason);
		append_text(details, "missing", text);
	}
}

static void append_ending(struct details *details, struct model *model)
{
	struct procobsrv_exit exit;
	char text[96];
	size_t begin;

	if (!model_ending(model, details->process->id, &exit))
		return;
	begin = begin_line(details, "end");
	story_append_ending(details->buffer, exit.has_status, exit.signal, exit.code);
	if (exit.core_dumped)
		buffer_append_text(details->buffer, ", core dumped");
	end_line(details, begin);
	begin = begin_line(details, "took");
	story_append_duration(details->buffer, exit.duration_ns);
	if (exit.has_usage) {
		buffer_append_text(details->buffer, ", CPU ");
		story_append_duration(details->buffer, exit.cpu_ns);
		snprintf(text, sizeof(text), ", %.1f MiB",
			 (double)exit.max_rss_bytes / (1024 * 1024));
		buffer_append_text(details->buffer, text);
	}
	end_line(details, begin);
}

/* `ending`: NULL if it lives. */
static void append_relative(struct details *details, const char *name,
			    const struct procobsrv_process *process,
			    const struct procobsrv_exit *ending)
{
	size_t begin = begin_line(details, name);

	buffer_append_unsigned(details->buffer, process->pid);
	buffer_append_character(details->buffer, ' ');
	append_command(details->buffer, process);
	if (ending) {
		buffer_append_text(details->buffer, "  (");
		story_append_ending(details->buffer, ending->has_status, ending->signal,
				    ending->code);
		buffer_append_character(details->buffer, ')');
	}
	end_line(details, begin);
}

static void append_ancestors(struct details *details, struct procobsrv *monitor)
{
	uint32_t pid = details->process->present & PROCOBSRV_HAS_PPID ? details->process->ppid : 0;
	const struct procobsrv_process *ancestor;

	for (int steps = 0; pid && steps < 64 && !procobsrv_find(monitor, pid, &ancestor);
	     steps++) {
		append_relative(details, "parent", ancestor, NULL);
		pid = ancestor->present & PROCOBSRV_HAS_PPID && ancestor->ppid != pid
			  ? ancestor->ppid
			  : 0;
		procobsrv_process_unref(ancestor);
	}
}

static int visit_child(const struct procobsrv_process *process, void *param)
{
	struct details *details = param;

	if (process->present & PROCOBSRV_HAS_PPID && process->ppid == details->process->pid &&
	    process->start_boot_ns >= details->process->start_boot_ns &&
	    details->children++ < CHILDREN_SHOWN)
		append_relative(details, "child", process, NULL);
	return 0;
}

static void visit_ended(const struct model_ending *ending, void *param)
{
	append_relative(param, "ended child", ending->process, &ending->exit);
}

void details_append(struct model *model, struct procobsrv *monitor,
		    const struct procobsrv_process *process, unsigned columns,
		    struct buffer *buffer)
{
	struct details details = {buffer, columns, process, 0};

	append_identity(&details);
	append_ending(&details, model);
	append_arguments(&details);
	append_ancestors(&details, monitor);
	if (procobsrv_visit(monitor, visit_child, &details))
		buffer->failed = true;
	model_ended_children(model, process, CHILDREN_SHOWN, visit_ended, &details);
}
