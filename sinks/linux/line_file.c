/* SPDX-License-Identifier: MIT */
#include "line_file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_GROUP ((gid_t)-1)

const char line_file_initial[] = "/var/log/procobsrv/events.jsonl";

static bool find_group(const char *name, gid_t *group)
{
	struct group entry;
	struct group *found = NULL;
	char buffer[16384];

	*group = NO_GROUP;
	if (!name)
		return true;
	if (getgrnam_r(name, &entry, buffer, sizeof buffer, &found) || !found)
		return false;
	*group = found->gr_gid;
	return true;
}

int line_file_check_group(const char *group)
{
	gid_t found;

	if (find_group(group, &found))
		return 0;
	return error_set(PROCOBSRV_ERROR_NOT_FOUND, "group: there is no group '%s'", group);
}

/* The directory that the file is to be in; one that is missing is made, not a whole path. */
static int ensure_directory(const char *path)
{
	char *copy = strdup(path);
	const char *directory;
	int error = 0;

	if (!copy)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path");
	directory = dirname(copy);
	/* It may be there where nobody may make anything. */
	if (mkdir(directory, 0750) < 0 && errno != EEXIST && access(directory, X_OK) < 0)
		error = error_set_errno(errno, "cannot make the directory '%s'", directory);
	free(copy);
	return error;
}

static int open_new(const struct line_file_place *place, int *descriptor)
{
	int opened =
	    open(place->path,
		 O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	int error = 0;
	gid_t group;

	if (opened < 0)
		return errno;
	/* Nobody has read it yet, so that it is never wider open than it shall be. */
	if (!find_group(place->group, &group))
		error = EINVAL;
	else if ((group != NO_GROUP && fchown(opened, (uid_t)-1, group) < 0) ||
		 fchmod(opened, (mode_t)place->mode) < 0)
		error = errno;
	if (error) {
		unlink(place->path);
		close(opened);
		return error;
	}
	*descriptor = opened;
	return 0;
}

static int open_either(const struct line_file_place *place, int *descriptor)
{
	int error = open_new(place, descriptor);

	if (error != EEXIST)
		return error;
	/* Without O_NONBLOCK a pipe that somebody put there would hold us. */
	*descriptor =
	    open(place->path, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return *descriptor < 0 ? errno : 0;
}

/* Lines go into a plain file of one name that nobody else owns or may change. */
static int check_file(const struct line_file_place *place, const struct stat *status)
{
	const char *what = NULL;

	if (!S_ISREG(status->st_mode))
		what = "it is no plain file";
	else if (status->st_uid != geteuid() && status->st_uid != 0)
		what = "it belongs to another user";
	else if (status->st_nlink > 1)
		what = "it has another name (a hard link)";
	else if (status->st_mode & 0022 & ~place->mode)
		what = "others may write to it";
	if (!what)
		return 0;
	return error_set(PROCOBSRV_ERROR_PERMISSION,
			 "will not write to '%s': %s; remove it, or name another path", place->path,
			 what);
}

static int lock_file(const struct line_file_place *place, int descriptor)
{
	struct stat named, opened;

	if (flock(descriptor, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? error_set(PROCOBSRV_ERROR_BUSY,
				       "'%s' is in use by another service; stop that, or name "
				       "another path",
				       place->path)
			   : error_set_errno(errno, "cannot lock '%s'", place->path);
	/* Between open and lock another service may have put it aside. */
	if (fstat(descriptor, &opened) < 0 || stat(place->path, &named) < 0 ||
	    named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "'%s' was replaced while it was opened: another service may be "
				 "using it",
				 place->path);
	return check_file(place, &opened);
}

int line_file_open(const struct line_file_place *place, struct os_file **file)
{
	int descriptor = -1;
	int error = ensure_directory(place->path);

	if (error)
		return error;
	error = open_either(place, &descriptor);
	if (error)
		return error_set_errno(error, "cannot write to '%s'%s", place->path,
				       error == ELOOP ? ", a symbolic link; name the file itself"
						      : "");
	error = lock_file(place, descriptor);
	if (error) {
		close(descriptor);
		return error;
	}
	return os_file_take(descriptor, place->path, file);
}

int line_file_open_old(const char *path, struct os_file **file, uint64_t *size)
{
	int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (descriptor < 0)
		return errno;
	if (fstat(descriptor, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(descriptor);
		return EINVAL;
	}
	*size = (uint64_t)status.st_size;
	return os_file_take(descriptor, path, file) ? ENOMEM : 0;
}

bool line_file_is_full(int error)
{
	return error == ENOSPC || error == EDQUOT;
}

int line_file_sync(const struct os_file *file)
{
	return fdatasync((int)os_file_handle(file)) < 0 ? errno : 0;
}

bool line_file_is_at(const struct os_file *file, const char *path)
{
	struct stat named, opened;

	return fstat((int)os_file_handle(file), &opened) == 0 && lstat(path, &named) == 0 &&
	       named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

int line_file_rename(const char *path, const char *name)
{
	return renameat2(AT_FDCWD, path, AT_FDCWD, name, RENAME_NOREPLACE) < 0 ? errno : 0;
}

int line_file_remove(const char *path)
{
	return unlink(path) < 0 ? errno : 0;
}

const char *line_file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
