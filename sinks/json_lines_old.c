/* SPDX-License-Identifier: MIT */
#include "json_lines_old.h"

#include "error.h"
#include "line_file.h"
#include "text_number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS  INT64_C(1000000000)
#define STAMP_FORM "00000000T000000Z"
#define STAMP_SIZE sizeof STAMP_FORM /* 20261123T110044Z and a NUL */
#define TRIES	   100

/* ---- stamps ---- */

static bool is_stamp(const char *text)
{
	static const char form[] = STAMP_FORM;

	for (size_t at = 0; at < sizeof form - 1; at++) {
		bool fine =
		    form[at] == '0' ? text[at] >= '0' && text[at] <= '9' : text[at] == form[at];

		if (!fine)
			return false;
	}
	return text[sizeof form - 1] == '\0' || text[sizeof form - 1] == '.';
}

/* A stamp has the digits of a time and fewer signs between them. */
static void write_stamp(char stamp[STAMP_SIZE], int64_t second)
{
	char time[TEXT_SECOND_SIZE], *out = stamp;

	text_write_second(time, second);
	for (size_t at = 0; at < sizeof time; at++)
		if (time[at] != '-' && time[at] != ':')
			*out++ = time[at];
	*out++ = 'Z';
	*out = '\0';
}

static bool read_stamp(const char *stamp, int64_t *second)
{
	char time[] = "0000-00-00T00:00:00";

	for (size_t at = 0; at < TEXT_SECOND_SIZE; at++)
		if (time[at] != '-' && time[at] != ':')
			time[at] = *stamp++;
	return text_read_second(time, second);
}

/* ---- those that there are ---- */

/* The directory of a path, and what the names in it begin with. */
struct search {
	char *directory;
	const char *name;
	char **paths; /* found */
	size_t count;
	size_t room;
};

static int out_of_memory(void)
{
	return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path");
}

static int keep_old(const char *path, void *param)
{
	struct search *search = param;
	const char *name = line_file_name(path);
	size_t length = strlen(search->name);

	if (name[length] != '-' || !is_stamp(name + length + 1))
		return 0;
	if (search->count == search->room) {
		size_t room = search->room ? search->room * 2 : 32;
		char **paths = realloc(search->paths, room * sizeof *paths);
		if (!paths)
			return out_of_memory();
		search->paths = paths;
		search->room = room;
	}
	if (!(search->paths[search->count] = strdup(path)))
		return out_of_memory();
	search->count++;
	return 0;
}

static int by_bytes(const void *one, const void *other)
{
	return strcmp(*(char *const *)one, *(char *const *)other);
}

static void end_search(struct search *search)
{
	for (size_t at = 0; at < search->count; at++)
		free(search->paths[at]);
	free(search->paths);
	free(search->directory);
	*search = (struct search){0};
}

/* All of them, the oldest first. */
static int find_old(const char *path, struct search *search)
{
	const char *name = line_file_name(path);
	size_t length = (size_t)(name - path);

	*search = (struct search){.name = name};
	/* That of a root keeps its separator. */
	if (length > 1 && line_file_name(path + length - 2) == path + length)
		length--;
	search->directory = strdup(path);
	if (!search->directory)
		return out_of_memory();
	search->directory[length] = '\0';
	int error = os_directory_visit(search->directory, name, keep_old, search);
	if (error) {
		end_search(search);
		return error;
	}
	if (search->count)
		qsort(search->paths, search->count, sizeof *search->paths, by_bytes);
	return 0;
}

char *json_lines_old_newest(const char *path)
{
	struct search search;
	char *newest = NULL;

	if (find_old(path, &search))
		return NULL;
	if (search.count)
		newest = search.paths[--search.count];
	end_search(&search);
	return newest;
}

/* ---- one more, and fewer ---- */

/* The second after the newest of them, 0: there is none. */
static int64_t after_newest(const char *path)
{
	char *newest = json_lines_old_newest(path);
	int64_t second = 0;

	if (newest &&
	    read_stamp(line_file_name(newest) + strlen(line_file_name(path)) + 1, &second))
		second++;
	free(newest);
	return second;
}

static int rename_new(const char *path, int64_t second)
{
	size_t size = strlen(path) + 1 + STAMP_SIZE;
	char stamp[STAMP_SIZE];
	char *aside = malloc(size);

	if (!aside)
		return ENOMEM;
	write_stamp(stamp, second);
	snprintf(aside, size, "%s-%s", path, stamp);
	int error = line_file_rename(path, aside);
	free(aside);
	return error;
}

int json_lines_old_add(const char *path)
{
	int64_t second = os_wall_ns() / SECOND_NS;
	int64_t least = after_newest(path);
	int error = EEXIST;

	if (second < least)
		second = least;
	for (int tries = 0; tries < TRIES && error == EEXIST; tries++)
		error = rename_new(path, second + tries);
	return error ? error_set_errno(error, "cannot put '%s' aside to begin a new file", path)
		     : 0;
}

static int remove_one(const char *path)
{
	int error = line_file_remove(path);

	if (!error || error == ENOENT)
		return 0;
	return error_set_errno(error, "cannot remove '%s', which is older than is to be kept",
			       path);
}

static void count_one(char **path, struct json_lines_old *old)
{
	struct os_file *file;
	uint64_t size;

	old->count++;
	if (!line_file_open_old(*path, &file, &size)) {
		old->bytes += size;
		os_file_close(file, false);
	}
	if (!old->oldest) {
		old->oldest = *path;
		*path = NULL;
	}
}

int json_lines_old_prune(const char *path, uint64_t keep, struct json_lines_old *old)
{
	struct json_lines_old left = {0};
	struct search search;
	int error = find_old(path, &search);

	*old = left;
	if (error)
		return error;
	for (size_t at = 0; at < search.count; at++) {
		int failed = 0;

		if (search.count - at > keep) {
			failed = remove_one(search.paths[at]);
			if (!failed)
				continue;
			error = failed;
		}
		count_one(&search.paths[at], &left);
	}
	end_search(&search);
	*old = left;
	return error;
}
