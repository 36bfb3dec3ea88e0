/* SPDX-License-Identifier: MIT */
/* The story as trace events: a lane is a thread, since slices of one thread must not overlap. */
#include "format.h"
#include "json.h"
#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>

/* The one process of the trace. */
#define TRACE_PID "1"

/* Microseconds, with nanoseconds behind the point. */
static void append_us(struct buffer *buffer, int64_t ns)
{
	char text[40];

	snprintf(text, sizeof(text), "%lld.%03d", (long long)(ns / 1000), (int)(ns % 1000));
	buffer_append_text(buffer, text);
}

static void append_member(struct buffer *buffer, const char *name, const char *value)
{
	if (!value)
		return;
	buffer_append_text(buffer, ",\"");
	buffer_append_text(buffer, name);
	buffer_append_text(buffer, "\":");
	json_append_string(buffer, value);
}

static void append_number(struct buffer *buffer, const char *name, uint64_t value)
{
	buffer_append_text(buffer, ",\"");
	buffer_append_text(buffer, name);
	buffer_append_text(buffer, "\":");
	buffer_append_unsigned(buffer, value);
}

/* Clocks are set, and lines may come from anywhere: a slice is never before the story, and never
 * ends before it begins. */
static void append_slice(struct buffer *buffer, const char *name, size_t lane, int64_t from_ns,
			 int64_t to_ns)
{
	if (from_ns < 0)
		from_ns = 0;
	if (to_ns < from_ns)
		to_ns = from_ns;
	buffer_append_text(buffer, ",\n{\"ph\":\"X\",\"pid\":" TRACE_PID ",\"tid\":");
	buffer_append_unsigned(buffer, lane + 1);
	buffer_append_text(buffer, ",\"cat\":\"process\",\"ts\":");
	append_us(buffer, from_ns);
	buffer_append_text(buffer, ",\"dur\":");
	append_us(buffer, to_ns - from_ns);
	append_member(buffer, "name", name);
}

static void append_arguments(const struct story *story, const struct story_process *process,
			     struct buffer *buffer)
{
	const struct story_program *program = story_program(process);

	buffer_append_text(buffer, ",\"args\":{\"pid\":");
	buffer_append_unsigned(buffer, process->pid);
	if (process->parent != STORY_NONE)
		append_number(buffer, "ppid", story->processes[process->parent].pid);
	if (process->has_uid)
		append_number(buffer, "uid", process->uid);
	append_member(buffer, "exe", program->exe);
	append_member(buffer, "command", program->command);
	append_member(buffer, "cwd", program->cwd);
	if (process->has_status) {
		append_number(buffer, "exit_code", process->code);
		append_number(buffer, "signal", process->signal);
	}
	if (process->has_usage) {
		append_number(buffer, "cpu_ns", process->cpu_ns);
		append_number(buffer, "max_rss_bytes", process->max_rss_bytes);
	}
	buffer_append_text(buffer, "}}");
}

/* What a process ran one after the other, within its own slice. */
static void append_programs(const struct story *story, const struct story_process *process,
			    size_t lane, struct buffer *buffer)
{
	int64_t end_ns = story_process_end(story, process);

	for (size_t index = 0; index < process->program_count; index++) {
		const struct story_program *program = &process->programs[index];
		int64_t to_ns = index + 1 < process->program_count
				    ? process->programs[index + 1].time_ns
				    : end_ns;

		append_slice(buffer, program->name, lane, program->time_ns - story->begin_ns,
			     to_ns - story->begin_ns);
		buffer_append_character(buffer, '}');
	}
}

static void append_process(const struct story *story, size_t index, size_t lane,
			   struct buffer *buffer)
{
	const struct story_process *process = &story->processes[index];
	/* Before the story began there is no time. */
	int64_t from_ns =
	    process->start_ns > story->begin_ns ? process->start_ns - story->begin_ns : 0;

	append_slice(buffer, story_program(process)->name, lane, from_ns,
		     story_process_end(story, process) - story->begin_ns);
	append_arguments(story, process, buffer);
	if (process->program_count > 1 && !process->existed)
		append_programs(story, process, lane, buffer);
}

static void append_lane_names(size_t count, struct buffer *buffer)
{
	for (size_t lane = 1; lane <= count; lane++) {
		buffer_append_text(buffer, ",\n{\"ph\":\"M\",\"pid\":" TRACE_PID
					   ",\"name\":\"thread_sort_index\",\"tid\":");
		buffer_append_unsigned(buffer, lane);
		buffer_append_text(buffer, ",\"args\":{\"sort_index\":");
		buffer_append_unsigned(buffer, lane);
		buffer_append_text(buffer, "}},\n{\"ph\":\"M\",\"pid\":" TRACE_PID
					   ",\"name\":\"thread_name\",\"tid\":");
		buffer_append_unsigned(buffer, lane);
		buffer_append_text(buffer, ",\"args\":{\"name\":\"lane\"}}");
	}
}

void timeline_append_trace(const struct story *story, const char *title, struct buffer *buffer)
{
	size_t *lanes = calloc(story->count + 1, sizeof(*lanes));
	size_t count;

	if (!lanes) {
		buffer->failed = true;
		return;
	}
	count = story_lanes(story, lanes);
	buffer_append_text(buffer, "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"begin\":\"");
	buffer_append_time(buffer, story->begin_ns);
	buffer_append_text(buffer, "\",\"lost\":\"");
	buffer_append_unsigned(buffer, story->lost);
	buffer_append_text(buffer, "\"},\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":" TRACE_PID
				   ",\"name\":\"process_name\",\"args\":{\"name\":");
	json_append_string(buffer, title);
	buffer_append_text(buffer, "}}");
	append_lane_names(count, buffer);
	for (size_t index = 0; index < story->count; index++)
		append_process(story, index, lanes[index], buffer);
	buffer_append_text(buffer, "\n]}\n");
	free(lanes);
}
