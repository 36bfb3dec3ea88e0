/* SPDX-License-Identifier: MIT */
#include "story_file.h"
#include "consctl.h"
#include "lines.h"

static void on_line(const char *line, size_t size, bool torn, void *param)
{
	struct story *story = param;

	if (torn)
		story->foreign++;
	else if (size)
		story_add_line(story, line, size);
}

int story_file_read(struct story *story, const char *path)
{
	int status = lines_read(path, on_line, story);

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
