/* SPDX-License-Identifier: MIT */
/*
 * Private files of lib/os.h for Linux. A file that is being used carries a flock() of the process
 * that made it, which the kernel drops when that process is gone, however it went: so one look
 * tells left-overs from files in use, also across pid namespaces that share a directory.
 */
#include "error.h"
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct os_file {
	int descriptor;
	char *path; /* owned; absolute for files that may be removed */
};

/* error_set() is free to change errno, but those who count losses want to know it. */
static int failed(int code, int error)
{
	errno = error;
	return code;
}

const char *os_temporary_directory(void)
{
	const char *directory = secure_getenv("TMPDIR");

	return directory && *directory ? directory : "/tmp";
}

static const char *directory_or_default(const char *directory)
{
	return directory && *directory ? directory : os_temporary_directory();
}

/* Takes over descriptor and path, or closes and frees them and, if `is_new`, deletes the file. */
static int file_new(int descriptor, char *path, bool is_new, struct os_file **file)
{
	struct os_file *new_file = path ? malloc(sizeof(*new_file)) : NULL;

	if (!new_file) {
		if (is_new)
			unlink(path);
		close(descriptor);
		free(path);
		return failed(error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a file"),
			      ENOMEM);
	}
	new_file->descriptor = descriptor;
	new_file->path = path;
	*file = new_file;
	return 0;
}

static char *join_path(const char *directory, const char *name)
{
	char *path = NULL;
	size_t length = strlen(directory);
	const char *slash = length > 0 && directory[length - 1] == '/' ? "" : "/";

	return asprintf(&path, "%s%s%s", directory, slash, name) < 0 ? NULL : path;
}

/* In a directory where anybody may rename anything, a name proves nothing later. */
static int check_directory(const char *directory)
{
	struct stat status;
	int error;

	if (stat(directory, &status) < 0) {
		error = errno;
		return failed(error_set_errno(error, "cannot use the directory %s", directory),
			      error);
	}
	if (!S_ISDIR(status.st_mode))
		return failed(error_set_errno(ENOTDIR, "cannot use %s as a directory", directory),
			      ENOTDIR);
	if ((status.st_mode & S_IWOTH) && !(status.st_mode & S_ISVTX))
		return failed(error_set(PROCOBSRV_ERROR_PERMISSION,
					"%s is writable by everybody without the sticky bit: files "
					"there are not safe; chmod +t it or name another directory",
					directory),
			      EACCES);
	return 0;
}

/*
 * One try: a descriptor that is locked and whose file still has its name; -1 with errno EEXIST if
 * the name was taken, or if somebody who looked for left-overs got hold of the file before us.
 */
static int create_locked(const char *path)
{
	struct stat status;
	int descriptor =
	    open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);

	if (descriptor < 0)
		return -1;
	/* Where a file system knows no locks, nobody can take the file over either. */
	if (flock(descriptor, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		close(descriptor);
		errno = EEXIST;
		return -1;
	}
	if (fstat(descriptor, &status) == 0 && status.st_nlink == 0) {
		close(descriptor);
		errno = EEXIST;
		return -1;
	}
	return descriptor;
}

int os_file_create_private(const char *directory, const char *prefix, struct os_file **file)
{
	char *absolute, *path, name[NAME_MAX + 1];
	int descriptor = -1, error, code;

	directory = directory_or_default(directory);
	code = check_directory(directory);
	if (code)
		return code;
	/* The program may change its directory before the file is removed. */
	absolute = realpath(directory, NULL);
	if (!absolute) {
		error = errno;
		return failed(error_set_errno(error, "cannot use the directory %s", directory),
			      error);
	}
	path = NULL;
	for (int tries = 0; tries < 100 && descriptor < 0; tries++) {
		uint64_t random;

		free(path);
		path = NULL;
		if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
			random = os_boot_ns() * 6364136223846793005u + os_process_id();
		snprintf(name, sizeof(name), "%s%016llx", prefix, (unsigned long long)random);
		path = join_path(absolute, name);
		if (!path) {
			errno = ENOMEM;
			break;
		}
		descriptor = create_locked(path);
		if (descriptor < 0 && errno != EEXIST && errno != EINTR)
			break;
	}
	error = errno;
	if (descriptor < 0) {
		free(path);
		code = error_set_errno(error, "cannot create a private file in %s", absolute);
		free(absolute);
		return failed(code, error);
	}
	free(absolute);
	return file_new(descriptor, path, true, file);
}

int os_file_open(const char *path, struct os_file **file)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int error = errno;

	if (descriptor < 0 && error == ENOENT)
		return failed(error_set(PROCOBSRV_ERROR_NOT_FOUND, "%s does not exist", path),
			      error);
	if (descriptor < 0)
		return failed(error_set_errno(error, "cannot open %s", path), error);
	return file_new(descriptor, strdup(path), false, file);
}

int os_file_take(intptr_t handle, const char *path, struct os_file **file)
{
	return file_new((int)handle, strdup(path), false, file);
}

intptr_t os_file_handle(const struct os_file *file)
{
	return file->descriptor;
}

/* Whether the open file is one that this user's processes make, and has its name still. */
static bool is_private(int descriptor)
{
	struct stat status;

	return fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
	       status.st_uid == geteuid() && (status.st_mode & 0077) == 0 && status.st_nlink == 1;
}

int os_file_adopt(const char *path, struct os_file **file)
{
	/* O_NONBLOCK: a planted FIFO or device must not hang the open; it changes no plain file. */
	int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	int error = errno;
	char *absolute;

	if (descriptor < 0 && error == ENOENT)
		return failed(error_set(PROCOBSRV_ERROR_NOT_FOUND, "%s does not exist", path),
			      error);
	if (descriptor < 0)
		return failed(error_set_errno(error, "cannot take over %s", path), error);
	if (!is_private(descriptor)) {
		close(descriptor);
		return failed(error_set(PROCOBSRV_ERROR_PERMISSION,
					"%s is not a private file of this user: not touched", path),
			      EPERM);
	}
	if (flock(descriptor, LOCK_EX | LOCK_NB) < 0) {
		error = errno;
		close(descriptor);
		if (error == EWOULDBLOCK)
			return failed(error_set(PROCOBSRV_ERROR_BUSY,
						"%s is used by a process that runs", path),
				      error);
		return failed(error_set_errno(error, "cannot lock %s", path), error);
	}
	if (!is_private(descriptor)) { /* removed by its last holder while we waited for nothing */
		close(descriptor);
		return failed(error_set(PROCOBSRV_ERROR_NOT_FOUND, "%s does not exist", path),
			      ENOENT);
	}
	absolute = realpath(path, NULL);
	if (!absolute) {
		error = errno;
		close(descriptor);
		return failed(error_set_errno(error, "cannot take over %s", path), error);
	}
	return file_new(descriptor, absolute, false, file);
}

int os_directory_free(const char *directory, uint64_t *bytes)
{
	struct statvfs status;

	if (statvfs(directory, &status) < 0)
		return errno;
	*bytes = (uint64_t)status.f_bavail * status.f_frsize;
	return 0;
}

int os_file_size(struct os_file *file, uint64_t *size)
{
	struct stat status;

	if (fstat(file->descriptor, &status) < 0)
		return errno;
	*size = (uint64_t)status.st_size;
	return 0;
}

int os_file_write(struct os_file *file, uint64_t offset, const void *data, size_t size)
{
	const char *next = data;

	while (size > 0) {
		ssize_t done = pwrite(file->descriptor, next, size, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		if (done == 0)
			return ENOSPC;
		next += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return 0;
}

int os_file_read(struct os_file *file, uint64_t offset, void *data, size_t size)
{
	char *next = data;

	while (size > 0) {
		ssize_t done = pread(file->descriptor, next, size, (off_t)offset);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno;
		if (done == 0)
			return ENODATA;
		next += done;
		offset += (uint64_t)done;
		size -= (size_t)done;
	}
	return 0;
}

int os_file_truncate(struct os_file *file, uint64_t size)
{
	while (ftruncate(file->descriptor, (off_t)size) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

const char *os_file_path(const struct os_file *file)
{
	return file->path;
}

void os_file_unname(struct os_file *file)
{
	struct stat ours, named;

	/* Only what is ours still: somebody may have put another file under the name. */
	if (fstat(file->descriptor, &ours) == 0 && lstat(file->path, &named) == 0 &&
	    ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
		unlink(file->path);
}

void os_file_close(struct os_file *file, bool remove)
{
	if (!file)
		return;
	if (remove)
		os_file_unname(file);
	close(file->descriptor);
	free(file->path);
	free(file);
}

int os_directory_visit(const char *directory, const char *prefix,
		       int (*visit)(const char *path, void *param), void *param)
{
	struct dirent *entry;
	DIR *stream;
	int result = 0;

	directory = directory_or_default(directory);
	stream = opendir(directory);
	if (!stream) {
		int error = errno;

		return failed(error_set_errno(error, "cannot read the directory %s", directory),
			      error);
	}
	while (result == 0 && (entry = readdir(stream))) {
		char *path;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		path = join_path(directory, entry->d_name);
		if (!path)
			result = failed(
			    error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for a path"), ENOMEM);
		else
			result = visit(path, param);
		free(path);
	}
	closedir(stream);
	return result;
}
