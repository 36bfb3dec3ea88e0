/* SPDX-License-Identifier: MIT */
#include "json_lines_ground.h"

#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *json_lines_consctl;

struct place make_place(void)
{
	struct place place = {.directory = directory_make()};

	snprintf(place.path, sizeof place.path, "%s/events.jsonl", place.directory);
	snprintf(place.path_setting, sizeof place.path_setting, "path=%s", place.path);
	return place;
}

static int only_files(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

void remove_place(struct place *place)
{
	struct dirent **entries;
	int count = scandir(place->directory, &entries, only_files, alphasort);
	char path[1024];

	for (int at = 0; at < count; at++) {
		snprintf(path, sizeof path, "%s/%s", place->directory, entries[at]->d_name);
		assert_int_equal(unlink(path), 0);
		free(entries[at]);
	}
	free(entries);
	directory_remove(place->directory);
}

struct open_sink open_at(const struct place *place, const char *one, const char *other)
{
	const char *assignments[] = {place->path_setting, one, one ? other : NULL, NULL};

	return sink_open(&sink_json_lines, assignments);
}

static const struct procobsrv_event *sample_of(uint64_t seq)
{
	static const struct procobsrv_event *const samples[] = {
	    &sample_start, &sample_exec, &sample_exit, &sample_odd, &sample_killed};

	return samples[seq % (sizeof samples / sizeof samples[0])];
}

int write_one(struct open_sink *opened, const struct procobsrv_event *sample, uint64_t seq)
{
	const struct procobsrv_event *pointer;
	struct made_event made;

	made_event_fill(&made, sample, STREAM, seq);
	pointer = &made.event;
	return opened->operations->write(opened->sink, &pointer, 1);
}

int write_range(struct open_sink *opened, uint64_t first, uint64_t last, uint64_t hole)
{
	const struct procobsrv_event *pointers[BATCH_MOST];
	struct made_event made[BATCH_MOST];
	size_t count = 0;

	for (uint64_t seq = first; seq <= last; seq++) {
		if (hole && seq % hole == 0)
			continue;
		made_event_fill(&made[count], sample_of(seq), STREAM, seq);
		pointers[count] = &made[count].event;
		count++;
	}
	return opened->operations->write(opened->sink, pointers, count);
}

glob_t files_of(const struct place *place)
{
	char pattern[600];
	glob_t files;

	snprintf(pattern, sizeof pattern, "%s-*", place->path);
	glob(pattern, 0, NULL, &files);
	glob(place->path, GLOB_APPEND, NULL, &files);
	return files;
}

size_t count_files(const struct place *place)
{
	glob_t files = files_of(place);
	size_t count = files.gl_pathc;

	globfree(&files);
	return count;
}

/* What consctl verify says of all files together; its exit status. */
static int verify(const struct place *place, char *text, size_t size)
{
	glob_t files = files_of(place);
	const char **arguments = calloc(files.gl_pathc + 3, sizeof *arguments);
	ssize_t got = 0;
	size_t total = 0;
	int status, ends[2];
	pid_t child;

	assert_non_null(arguments);
	arguments[0] = json_lines_consctl;
	arguments[1] = "verify";
	memcpy(arguments + 2, files.gl_pathv, files.gl_pathc * sizeof *arguments);
	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		execv(json_lines_consctl, (char *const *)arguments);
		_exit(99);
	}
	close(ends[1]);
	while (total < size - 1 && (got = read(ends[0], text + total, size - 1 - total)) > 0)
		total += (size_t)got;
	text[total] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	globfree(&files);
	free(arguments);
	return WEXITSTATUS(status);
}

void expect_verified(const struct place *place, int expected, const char *words)
{
	static char text[1 << 20]; /* a line for each run that was killed */
	int status = verify(place, text, sizeof text);

	if (status != expected || !strstr(text, words))
		fail_msg("verify: status %d, not %d, or not '%s' in: %s", status, expected, words,
			 text);
}
