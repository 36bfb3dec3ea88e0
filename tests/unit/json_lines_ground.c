/* SPDX-License-Identifier: MIT */
#include "json_lines_ground.h"

#include "ground.h"
#include "harness.h"
#include "sample_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *json_lines_consctl;

struct place make_place(void)
{
	struct place place = {.directory = directory_make()};

	snprintf(place.path, sizeof place.path, "%s%cevents.jsonl", place.directory,
		 ground_separator);
	snprintf(place.path_setting, sizeof place.path_setting, "path=%s", place.path);
	return place;
}

static int remove_path(const char *path, void *param)
{
	const char *name = path + strlen(param) + 1;

	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 ? remove(path) : 0;
}

void remove_place(struct place *place)
{
	assert_int_equal(os_directory_visit(place->directory, "", remove_path, place->directory),
			 0);
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

static int keep_path(const char *path, void *param)
{
	struct files *files = param;

	assert_true(files->count < FILES_MOST);
	files->paths[files->count++] = strdup(path);
	return 0;
}

static int by_bytes(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

struct files files_of(const struct place *place)
{
	struct files files = {.count = 0};
	char *first;

	assert_int_equal(os_directory_visit(place->directory, "events.jsonl", keep_path, &files),
			 0);
	qsort(files.paths, files.count, sizeof *files.paths, by_bytes);
	/* The one that is written has the shortest name, and the last lines. */
	if (files.count && strcmp(files.paths[0], place->path) == 0) {
		first = files.paths[0];
		memmove(files.paths, files.paths + 1, (files.count - 1) * sizeof *files.paths);
		files.paths[files.count - 1] = first;
	}
	return files;
}

void free_files(struct files *files)
{
	while (files->count)
		free(files->paths[--files->count]);
}

size_t count_files(const struct place *place)
{
	struct files files = files_of(place);
	size_t count = files.count;

	free_files(&files);
	return count;
}

static char *read_bytes(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *bytes = malloc(1 << 20);

	assert_non_null(file);
	assert_non_null(bytes);
	*size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

size_t file_bytes(const char *path)
{
	size_t size;

	free(read_bytes(path, &size));
	return size;
}

void file_cut(const char *path, size_t size)
{
	size_t before;
	char *bytes = read_bytes(path, &before);
	/* Emptied and written again: it stays the same file, with the same rights. */
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_true(size <= before);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
	free(bytes);
}

/* What consctl verify says of all files together; its exit status. */
static int verify(const struct place *place, char *text, size_t size)
{
	struct files files = files_of(place);
	const char **arguments = calloc(files.count + 3, sizeof *arguments);

	assert_non_null(arguments);
	arguments[0] = json_lines_consctl;
	arguments[1] = "verify";
	memcpy(arguments + 2, files.paths, files.count * sizeof *arguments);
	int status = program_run(arguments, text, size);
	free_files(&files);
	free(arguments);
	return status;
}

void expect_verified(const struct place *place, int expected, const char *words)
{
	static char text[1 << 20]; /* a line for each run that was killed */
	int status = verify(place, text, sizeof text);

	if (status != expected || !strstr(text, words))
		fail_msg("verify: status %d, not %d, or not '%s' in: %s", status, expected, words,
			 text);
}

void expect_refused(const struct place *place, int code, const char *words)
{
	const char *assignments[] = {place->path_setting, NULL};
	struct setting_value *values = sink_values(&sink_json_lines, assignments);
	struct sink *sink = NULL;

	assert_int_equal(sink_json_lines.open(values, &sink), code);
	assert_null(sink);
	if (!strstr(procobsrv_explain(), words))
		fail_msg("no '%s' in: %s", words, procobsrv_explain());
	free(values);
}
