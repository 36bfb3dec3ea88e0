/* SPDX-License-Identifier: MIT */
#include "history_children.h"
#include "format.h"
#include "processes.h"
#include "record_reader.h"
#include "story/story.h"

#include <stdio.h>

#define CHILDREN_SHOWN 50

static void append_child(struct buffer *buffer, const struct record_life *life, unsigned columns)
{
	const struct procobsrv_exit *exit = life->events[life->count - 1]->exit;
	size_t begin = buffer->size;
	char cell[48];

	snprintf(cell, sizeof(cell), "%-12s %u ", "child before", life->last->pid);
	buffer_append_text(buffer, cell);
	append_command(buffer, life->last);
	if (exit) {
		buffer_append_text(buffer, "  (");
		story_append_ending(buffer, exit->has_status, exit->signal, exit->code);
		buffer_append_character(buffer, ')');
	}
	cut_line(buffer, begin, columns);
	buffer_append_character(buffer, '\n');
}

static void append_children(struct record_reader *reader, int64_t process, int64_t before_ns,
			    unsigned columns, struct buffer *buffer)
{
	struct record_list children = {0};

	if (record_find_children(reader, process, before_ns, CHILDREN_SHOWN, &children))
		children.count = 0;
	for (size_t index = 0; index < children.count; index++) {
		struct record_life *life = NULL;

		if (!record_life_load(reader, children.rows[index], &life) && life->count)
			append_child(buffer, life, columns);
		record_life_free(life);
	}
	record_list_free(&children);
}

void history_append_children(const struct settings *settings, const char *identity,
			     int64_t before_ns, unsigned columns, struct buffer *buffer)
{
	const char *path = settings->history.record ? settings->history.record : RECORD_PATH;
	struct record_reader *reader;
	int64_t process;

	/* What the record holds was written without these names of secrets. */
	if (settings->redact || record_reader_open(path, &reader))
		return;
	if (!record_find_identity(reader, identity, &process))
		append_children(reader, process, before_ns, columns, buffer);
	record_reader_close(reader);
}
