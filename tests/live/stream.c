/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include "live.h"
#include "names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void take(struct stream *stream, const struct seen *seen, const char *path, size_t number)
{
	bool added = true;

	if (seen->kind == SEEN_BEGIN) {
		EXPECT(number == 1, "%s:%zu: \"begin\" is not the first line", path, number);
		stream->begun = true;
		return;
	}
	EXPECT(!stream->ended, "%s:%zu: a line after \"end\"", path, number);
	if (seen->kind == SEEN_END) {
		stream->ended = true;
		stream->end.seq = seen->seq;
		stream->end.end = seen->end;
		return;
	}
	if (stream->cursors && seen->cursor[0])
		names_add(stream->cursors, seen->cursor, &added);
	if (!added) {
		stream->repeats++;
		return;
	}
	stream->kinds[seen->kind]++;
	if (stream->laws)
		laws_feed(stream->laws, seen);
	if (stream->ground)
		ground_feed(stream->ground, seen);
}

static void take_line(struct stream *stream, const char *line, size_t length, const char *path,
		      size_t number)
{
	json_error_t error;
	struct seen seen;
	json_t *object = json_loadb(line, length, 0, &error);
	const char *why;

	EXPECT(object, "%s:%zu: %s: %.200s", path, number, error.text, line);
	why = seen_from_json(&seen, object);
	EXPECT(!why, "%s:%zu: %s: %.200s", path, number, why, line);
	take(stream, &seen, path, number);
	json_decref(object);
}

void stream_read(struct stream *stream, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0;
	size_t number = 0;
	char *line = NULL;
	ssize_t length;

	EXPECT(file, "%s: %s", path, strerror(errno));
	stream->begun = stream->ended = false;
	while ((length = getline(&line, &capacity, file)) > 0) {
		EXPECT(line[length - 1] == '\n', "%s:%zu: the last line is cut: %.200s", path,
		       number + 1, line);
		take_line(stream, line, (size_t)length, path, ++number);
	}
	EXPECT(feof(file), "%s: %s", path, strerror(errno));
	stream->lines += number;
	free(line);
	fclose(file);
}
