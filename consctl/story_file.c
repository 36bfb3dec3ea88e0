/* SPDX-License-Identifier: MIT */
#include "story_file.h"
#include "consctl.h"
#include "filter.h"
#include "lines.h"
#include "story/line_event.h"

struct reading {
	struct story *story;
	struct filter *filter; /* NULL: everything matches */
	struct line_event event;
};

/* What begins or ends a run, is damaged or tells of losses, the story itself judges. */
static bool is_left_out(struct reading *reading, const char *line, size_t size)
{
	return reading->filter && line_event_read(&reading->event, line, size) &&
	       reading->event.event.kind != PROCOBSRV_LOST &&
	       !filter_match(reading->filter, &reading->event.event);
}

static void on_line(const char *line, size_t size, bool torn, void *param)
{
	struct reading *reading = param;

	if (torn)
		reading->story->foreign++;
	else if (size && !is_left_out(reading, line, size))
		story_add_line(reading->story, line, size);
}

static int read_lines(struct story *story, const char *path, const char *match)
{
	struct reading reading = {.story = story};
	int error = match ? filter_compile(match, &reading.filter) : 0;
	int status;

	if (error) {
		complain_library(error);
		return STATUS_FAILED;
	}
	status = lines_read(path, on_line, &reading);
	line_event_free(&reading.event);
	filter_free(reading.filter);
	return status;
}

int story_file_read(struct story *story, const char *path, const char *match)
{
	int status = read_lines(story, path, match);

	if (status)
		return status;
	if (story->failed) {
		complain("out of memory for the processes of '%s'", path);
		return STATUS_FAILED;
	}
	if (story->newer) {
		complain("'%s' was written by a newer version, in a schema that this one does not "
			 "know",
			 path);
		return STATUS_FAILED;
	}
	if (!story->count && match) {
		complain("'%s' holds no event that matches --match", path);
		return STATUS_FAILED;
	}
	if (!story->count) {
		complain("'%s' holds no events of watch or run as JSON lines; write some with "
			 "'consctl run --format json --output FILE -- COMMAND'",
			 path);
		return STATUS_FAILED;
	}
	if (story->foreign)
		say("consctl: %llu lines of '%s' are torn or none of ours: left out\n",
		    (unsigned long long)story->foreign, path);
	if (story->lost)
		say("consctl: '%s' tells of %llu lost events: this is not the whole story\n", path,
		    (unsigned long long)story->lost);
	return STATUS_FINE;
}
