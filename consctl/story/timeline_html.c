/* SPDX-License-Identifier: MIT */
/* The story as data for the page in timeline.html, and the page around it. */
#include "json.h"
#include "timeline.h"
#include "timeline_page.h"

#include <stdlib.h>
#include <string.h>

enum process_flag {
	FLAG_EXISTED = 1,
	FLAG_HAS_STATUS = 2,
	FLAG_CORE_DUMPED = 4,
	FLAG_HAS_USAGE = 8,
	FLAG_HAS_UID = 16,
};

/* Texts are written once, and named by their place in the list of texts. */
struct texts {
	size_t *place; /* by strings_number(): plus one; 0: not in the list yet */
	const char **list;
	size_t count;
};

static bool texts_open(struct texts *texts, const struct story *story)
{
	size_t count = story->strings.count + 1;

	*texts = (struct texts){
	    .place = calloc(count, sizeof(*texts->place)),
	    .list = calloc(count, sizeof(*texts->list)),
	};
	return texts->place && texts->list;
}

static void texts_close(struct texts *texts)
{
	free(texts->place);
	free(texts->list);
}

static void append_comma(struct buffer *buffer)
{
	buffer_append_character(buffer, ',');
}

/* -1: not known. */
static void append_text_place(struct texts *texts, const char *text, struct buffer *buffer)
{
	size_t number;

	if (!text) {
		buffer_append_text(buffer, "-1");
		return;
	}
	number = strings_number(text);
	if (!texts->place[number]) {
		texts->list[texts->count] = text;
		texts->place[number] = ++texts->count;
	}
	buffer_append_unsigned(buffer, texts->place[number] - 1);
}

static void append_programs(const struct story *story, const struct story_process *process,
			    struct texts *texts, struct buffer *buffer)
{
	for (size_t index = 0; index < process->program_count; index++) {
		const struct story_program *program = &process->programs[index];

		append_comma(buffer);
		buffer_append_signed(buffer, program->time_ns - story->begin_ns);
		append_comma(buffer);
		append_text_place(texts, program->name, buffer);
		append_comma(buffer);
		append_text_place(texts, program->exe, buffer);
		append_comma(buffer);
		append_text_place(texts, program->command, buffer);
		append_comma(buffer);
		append_text_place(texts, program->cwd, buffer);
	}
}

static unsigned flags_of(const struct story_process *process)
{
	return (process->existed ? FLAG_EXISTED : 0u) |
	       (process->has_status ? FLAG_HAS_STATUS : 0u) |
	       (process->core_dumped ? FLAG_CORE_DUMPED : 0u) |
	       (process->has_usage ? FLAG_HAS_USAGE : 0u) | (process->has_uid ? FLAG_HAS_UID : 0u);
}

/* pid, parent, start, end (-1: runs), lane, code, signal, flags, CPU time, memory, uid, failed
 * execs, then for each program: time, name, exe, command, cwd. */
static void append_process(const struct story *story, const struct story_process *process,
			   size_t lane, struct texts *texts, struct buffer *buffer)
{
	const int64_t numbers[] = {
	    process->pid,
	    process->parent == STORY_NONE ? -1 : (int64_t)process->parent,
	    process->start_ns - story->begin_ns,
	    process->end_ns ? process->end_ns - story->begin_ns : -1,
	    (int64_t)lane,
	    process->code,
	    process->signal,
	    flags_of(process),
	    (int64_t)process->cpu_ns,
	    (int64_t)process->max_rss_bytes,
	    process->uid,
	    process->failed_execs,
	};

	buffer_append_character(buffer, '[');
	for (size_t index = 0; index < sizeof(numbers) / sizeof(*numbers); index++) {
		if (index)
			append_comma(buffer);
		buffer_append_signed(buffer, numbers[index]);
	}
	append_programs(story, process, texts, buffer);
	buffer_append_character(buffer, ']');
}

static void append_processes(const struct story *story, const size_t *lanes, struct texts *texts,
			     struct buffer *buffer)
{
	buffer_append_text(buffer, ",\"processes\":[");
	for (size_t index = 0; index < story->count; index++) {
		if (index)
			buffer_append_text(buffer, ",\n");
		append_process(story, &story->processes[index], lanes[index], texts, buffer);
	}
	buffer_append_text(buffer, "],\"texts\":");
	json_append_strings(buffer, texts->list, texts->count);
}

static void append_path(const struct story *story, struct buffer *buffer)
{
	size_t count;
	struct story_step *steps = story_critical_path(story, &count);

	buffer_append_text(buffer, ",\"path\":[");
	for (size_t index = 0; index < count; index++) {
		if (index)
			append_comma(buffer);
		buffer_append_unsigned(buffer, steps[index].process);
		append_comma(buffer);
		buffer_append_signed(buffer, steps[index].from_ns - story->begin_ns);
		append_comma(buffer);
		buffer_append_signed(buffer, steps[index].to_ns - story->begin_ns);
	}
	buffer_append_character(buffer, ']');
	free(steps);
}

static void append_data(const struct story *story, const char *title, const size_t *lanes,
			size_t lane_count, struct texts *texts, struct buffer *buffer)
{
	buffer_append_text(buffer, "{\"title\":");
	json_append_string(buffer, title);
	buffer_append_text(buffer, ",\"begin\":\"");
	buffer_append_time(buffer, story->begin_ns);
	buffer_append_text(buffer, "\",\"duration\":");
	buffer_append_signed(buffer, story->end_ns - story->begin_ns);
	buffer_append_text(buffer, ",\"lost\":");
	buffer_append_unsigned(buffer, story->lost);
	buffer_append_text(buffer, ",\"lanes\":");
	buffer_append_unsigned(buffer, lane_count);
	append_processes(story, lanes, texts, buffer);
	append_path(story, buffer);
	buffer_append_character(buffer, '}');
}

/*
 * Data within a script element ends at the first "</script", whatever it stands in, and "<!--"
 * starts a comment: so no '<' is left.
 * https://html.spec.whatwg.org/#restrictions-for-contents-of-script-elements
 */
static void append_for_script(struct buffer *buffer, const char *data, size_t size)
{
	const char *end = data + size;

	while (data < end) {
		const char *less = memchr(data, '<', (size_t)(end - data));

		buffer_append(buffer, data, (size_t)((less ? less : end) - data));
		if (!less)
			return;
		buffer_append_text(buffer, "\\u003c");
		data = less + 1;
	}
}

/* Text between tags. */
static void append_for_html(struct buffer *buffer, const char *text, size_t size)
{
	for (size_t index = 0; index < size; index++) {
		switch (text[index]) {
		case '<':
			buffer_append_text(buffer, "&lt;");
			break;
		case '>':
			buffer_append_text(buffer, "&gt;");
			break;
		case '&':
			buffer_append_text(buffer, "&amp;");
			break;
		default:
			buffer_append_character(buffer, text[index]);
		}
	}
}

/* What the page has a mark for. */
static void append_at_mark(struct buffer *buffer, const char *mark, const struct buffer *data,
			   const struct buffer *summary, const struct buffer *title)
{
	if (!strncmp(mark, "@DATA@", 6))
		append_for_script(buffer, data->data, data->size);
	else if (!strncmp(mark, "@TEXT@", 6))
		append_for_html(buffer, summary->data, summary->size);
	else
		append_for_html(buffer, title->data, title->size);
}

static void append_page(struct buffer *buffer, const struct buffer *data,
			const struct buffer *summary, const struct buffer *title)
{
	static const char *const marks[] = {"@NAME@", "@TEXT@", "@DATA@"};
	const char *from = timeline_page;

	/* In the order in which they stand in the page, NAME twice. */
	for (;;) {
		const char *next = NULL;

		for (size_t index = 0; index < sizeof(marks) / sizeof(*marks); index++) {
			const char *found = strstr(from, marks[index]);

			if (found && (!next || found < next))
				next = found;
		}
		if (!next)
			break;
		buffer_append(buffer, from, (size_t)(next - from));
		append_at_mark(buffer, next, data, summary, title);
		from = next + 6;
	}
	buffer_append_text(buffer, from);
}

static void append_escaped_title(struct buffer *buffer, const char *title)
{
	struct buffer quoted = BUFFER_EMPTY;

	/* The JSON writer knows what is UTF-8 and what controls; its quotes are left out. */
	json_append_string(&quoted, title);
	if (quoted.failed)
		buffer->failed = true;
	else
		buffer_append(buffer, quoted.data + 1, quoted.size - 2);
	buffer_free(&quoted);
}

void timeline_append_html(const struct story *story, const char *title, struct buffer *buffer)
{
	size_t *lanes = calloc(story->count + 1, sizeof(*lanes));
	struct buffer summary = BUFFER_EMPTY;
	struct buffer name = BUFFER_EMPTY;
	struct buffer data = BUFFER_EMPTY;
	struct texts texts;

	if (texts_open(&texts, story) && lanes) {
		append_data(story, title, lanes, story_lanes(story, lanes), &texts, &data);
		story_append_summary(story, &summary, 0);
		append_escaped_title(&name, title);
	}
	if (!data.size || data.failed || summary.failed || name.failed)
		buffer->failed = true;
	else
		append_page(buffer, &data, &summary, &name);
	texts_close(&texts);
	buffer_free(&data);
	buffer_free(&name);
	buffer_free(&summary);
	free(lanes);
}
