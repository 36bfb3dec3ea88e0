/* SPDX-License-Identifier: MIT */
#include "joined.h"
#include "live.h"
#include "truth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void joined_init(struct joined *joined)
{
	*joined = (struct joined){.ground = ground_create(), .cursors = names_create()};
}

void joined_free(struct joined *joined)
{
	ground_free(joined->ground);
	names_free(joined->cursors);
	*joined = (struct joined){0};
}

/* An exit bears what its process ran, also if the reader that saw the exec was killed. */
static bool lacks_names(const struct seen *seen)
{
	return seen->kind == PROCOBSRV_EXIT && !strcmp(seen->name, TRUTH_NAME) &&
	       (!seen->exe[0] || seen->argc < 3);
}

static void take_lost(struct joined *joined, const struct seen *seen)
{
	joined->lost += seen->lost.count;
	if (!joined->first_lost[0])
		snprintf(joined->first_lost, sizeof(joined->first_lost),
			 "%llu lost (%llu starts, %llu execs, %llu exits, %llu unknown) at the "
			 "%s: %s",
			 (unsigned long long)seen->lost.count, (unsigned long long)seen->lost.start,
			 (unsigned long long)seen->lost.exec, (unsigned long long)seen->lost.exit,
			 (unsigned long long)seen->lost.unknown, seen->lost.stage,
			 seen->lost.reason);
}

static void take(struct joined *joined, const struct seen *seen)
{
	bool added = true;

	if (seen->kind == SEEN_BEGIN) {
		joined->begun++;
		return;
	}
	if (seen->kind == SEEN_END) {
		joined->ended++;
		joined->end.end = seen->end;
		return;
	}
	if (seen->cursor[0])
		names_add(joined->cursors, seen->cursor, &added);
	if (!added) {
		joined->repeats++;
		return;
	}
	if (seen->kind == PROCOBSRV_LOST)
		take_lost(joined, seen);
	if (seen->synthetic)
		joined->synthetic++;
	else
		joined->kinds[seen->kind]++;
	joined->nameless += lacks_names(seen);
	if (!seen->synthetic)
		ground_feed(joined->ground, seen);
}

/* False: the line was cut off. */
static bool take_line(struct joined *joined, const char *line, size_t length, const char *path,
		      size_t number)
{
	json_error_t error;
	struct seen seen;
	json_t *object = json_loadb(line, length, 0, &error);
	const char *why;

	if (!object)
		return false;
	why = seen_from_json(&seen, object);
	EXPECT(!why, "%s:%zu: %s: %.200s", path, number, why, line);
	take(joined, &seen);
	json_decref(object);
	return true;
}

void joined_read(struct joined *joined, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t capacity = 0, number = 0;
	char *line = NULL;
	ssize_t length;

	EXPECT(file, "%s: %s", path, strerror(errno));
	while ((length = getline(&line, &capacity, file)) > 0)
		if (!take_line(joined, line, (size_t)length, path, ++number))
			joined->torn++;
	joined->lines += number;
	free(line);
	fclose(file);
}
