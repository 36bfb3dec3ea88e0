/* SPDX-License-Identifier: MIT */
#include "json_lines_old.h"

#include "error.h"
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAMP_FORMAT "%Y%m%dT%H%M%SZ"
#define STAMP_SIZE   17 /* 20261123T110044Z and a NUL */
#define TRIES	     100

/* Whose names are looked for; scandir() hands nothing on to its filter. */
static _Thread_local const char *wanted_name;

static bool is_stamp(const char *text)
{
	static const char form[] = "00000000T000000Z";

	for (size_t at = 0; at < sizeof form - 1; at++) {
		bool fine =
		    form[at] == '0' ? text[at] >= '0' && text[at] <= '9' : text[at] == form[at];

		if (!fine)
			return false;
	}
	return text[sizeof form - 1] == '\0' || text[sizeof form - 1] == '.';
}

static int is_old(const struct dirent *entry)
{
	size_t length = strlen(wanted_name);

	return strncmp(entry->d_name, wanted_name, length) == 0 && entry->d_name[length] == '-' &&
	       is_stamp(entry->d_name + length + 1);
}

static int by_bytes(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

/* The directory and the name of a path, both parts of `copy`. */
struct parts {
	char *copy;
	const char *directory;
	const char *name;
};

static bool split(const char *path, struct parts *parts)
{
	char *slash;

	parts->copy = strdup(path);
	slash = parts->copy ? strrchr(parts->copy, '/') : NULL;
	if (!slash) {
		free(parts->copy);
		return false;
	}
	*slash = '\0';
	parts->directory = slash == parts->copy ? "/" : parts->copy;
	parts->name = slash + 1;
	return true;
}

/* All of them, the oldest first. Their number, or negative with errno. */
static int list_old(const struct parts *parts, struct dirent ***entries)
{
	wanted_name = parts->name;
	return scandir(parts->directory, entries, is_old, by_bytes);
}

static void free_entries(struct dirent **entries, int count)
{
	for (int at = 0; at < count; at++)
		free(entries[at]);
	if (count >= 0)
		free(entries);
}

static char *path_of(const struct parts *parts, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", parts->directory, name) < 0 ? NULL : path;
}

char *json_lines_old_newest(const char *path)
{
	struct dirent **entries;
	struct parts parts;
	char *newest = NULL;
	int count;

	if (!split(path, &parts))
		return NULL;
	count = list_old(&parts, &entries);
	if (count > 0)
		newest = path_of(&parts, entries[count - 1]->d_name);
	free_entries(entries, count);
	free(parts.copy);
	return newest;
}

/* The second after the newest of them, 0: there is none. */
static time_t after_newest(const char *path)
{
	char *newest = json_lines_old_newest(path);
	struct tm utc = {0};
	time_t second = 0;

	if (newest && strptime(newest + strlen(path) + 1, STAMP_FORMAT, &utc))
		second = timegm(&utc) + 1;
	free(newest);
	return second;
}

static int rename_new(const char *path, time_t second)
{
	char stamp[STAMP_SIZE];
	char *aside;
	struct tm utc;
	int error = 0;

	if (!gmtime_r(&second, &utc) || !strftime(stamp, sizeof stamp, STAMP_FORMAT, &utc))
		return EOVERFLOW;
	if (asprintf(&aside, "%s-%s", path, stamp) < 0)
		return ENOMEM;
	if (renameat2(AT_FDCWD, path, AT_FDCWD, aside, RENAME_NOREPLACE) < 0)
		error = errno;
	free(aside);
	return error;
}

int json_lines_old_add(const char *path)
{
	time_t second = (time_t)(os_wall_ns() / 1000000000);
	time_t least = after_newest(path);
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
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	return error_set_errno(errno, "cannot remove '%s', which is older than is to be kept",
			       path);
}

int json_lines_old_prune(const char *path, uint64_t keep, struct json_lines_old *old)
{
	struct json_lines_old left = {0};
	struct dirent **entries;
	struct parts parts;
	struct stat status;
	int error = 0;

	if (!split(path, &parts))
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path");
	int count = list_old(&parts, &entries);

	if (count < 0)
		error = error_set_errno(errno, "cannot read the directory '%s'", parts.directory);
	for (int at = 0; at < count; at++) {
		char *name = path_of(&parts, entries[at]->d_name);
		int failed = 0;

		if (name && (uint64_t)(count - at) > keep) {
			failed = remove_one(name);
			if (!failed) {
				free(name);
				continue;
			}
			error = failed;
		}
		left.count++;
		if (name && stat(name, &status) == 0)
			left.bytes += (uint64_t)status.st_size;
		if (!left.oldest)
			left.oldest = name;
		else
			free(name);
	}
	free_entries(entries, count);
	free(parts.copy);
	*old = left;
	return error;
}
