/* SPDX-License-Identifier: MIT */
#include "record_file.h"

#include "error.h"
#include "record_database.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Places in the head of a file of SQLite; the numbers there are big-endian. */
#define HEAD_SIZE	 100
#define HEAD_VERSION	 60
#define HEAD_APPLICATION 68

static const char *const companions[] = {"", "-wal", "-shm"};
#define COMPANIONS (sizeof companions / sizeof *companions)

static int directory_of(const char *path, char *directory, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	/* Room for the name of a damaged one. */
	if (strlen(path) + sizeof ".corrupt-YYYYMMDDTHHMMSS-99-wal" > size)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s: the path is too long", path);
	if (!slash || !slash[1])
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s is no absolute path of a file",
				 path);
	memcpy(directory, path, length);
	strcpy(directory + length, length ? "" : "/");
	return 0;
}

/* In a directory where others may write, they could put their file in the place of ours. */
static int check_directory(const char *directory)
{
	struct stat status;

	if (stat(directory, &status))
		return error_set_errno(
		    errno, "%s: the directory of the record cannot be used; make it", directory);
	if (!S_ISDIR(status.st_mode))
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s is no directory", directory);
	if (status.st_uid != geteuid() && status.st_uid != 0)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s belongs to another user (%u); the record needs a directory "
				 "of its own",
				 directory, status.st_uid);
	if (status.st_mode & S_IWOTH && !(status.st_mode & S_ISVTX))
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s: everybody may write there; 'chmod o-w %s', or name another "
				 "directory",
				 directory, directory);
	if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS))
		return error_set_errno(errno, "%s: the record's directory cannot be written to",
				       directory);
	return 0;
}

static int make(const char *path, const char *directory)
{
	int file = open(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0640);

	if (file < 0)
		return error_set_errno(errno, "%s: cannot make it", path);
	int error = fchmod(file, 0640) ? errno : 0;
	close(file);

	/* Its name must outlive a power cut too. */
	int parent = error ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!error && (parent < 0 || fsync(parent)))
		error = errno;
	if (parent >= 0)
		close(parent);
	return error ? error_set_errno(error, "%s: cannot make it", path) : 0;
}

static uint32_t number_at(const unsigned char *head, size_t offset)
{
	uint32_t number;

	memcpy(&number, head + offset, sizeof number);
	return be32toh(number);
}

/* Told before SQLite has opened it, since that alone may change a file. */
static int check_version(int file, const char *path, uint32_t application, uint32_t version)
{
	unsigned char head[HEAD_SIZE];

	if (pread(file, head, sizeof head, 0) != sizeof head ||
	    number_at(head, HEAD_APPLICATION) != application ||
	    number_at(head, HEAD_VERSION) <= version)
		return 0;
	return error_set(PROCOBSRV_ERROR_VERSION,
			 "%s has format %u, made by a newer version of procobsrvd; this one knows "
			 "%u: install the newer one, or name another file",
			 path, number_at(head, HEAD_VERSION), version);
}

static int check_file(int file, const char *path)
{
	struct stat status;

	if (fstat(file, &status))
		return error_set_errno(errno, "%s: cannot look at it", path);
	if (!S_ISREG(status.st_mode))
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s is no file", path);
	if (status.st_uid != geteuid() && status.st_uid != 0)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "%s belongs to another user (%u), who could change the record",
				 path, status.st_uid);
	return 0;
}

int record_file_prepare(const char *path, uint32_t application, uint32_t version)
{
	char directory[PATH_MAX];
	int error = directory_of(path, directory, sizeof directory);

	if (!error)
		error = check_directory(directory);
	if (error)
		return error;
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (file < 0 && errno == ENOENT)
		return make(path, directory);
	if (file < 0 && errno == ELOOP)
		return error_set(PROCOBSRV_ERROR_ARGUMENT, "%s is a link; name the file itself",
				 path);
	if (file < 0)
		return error_set_errno(errno, "%s: cannot open it", path);
	error = check_file(file, path);
	if (!error)
		error = check_version(file, path, application, version);
	close(file);
	return error;
}

/* PATH.corrupt-TIME, and if there is one, PATH.corrupt-TIME-2 and so on. False: none is free. */
static bool find_name(const char *path, char *name, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;
	char stamp[20];
	struct stat status;

	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", gmtime_r(&now, &utc));
	for (int attempt = 1; attempt < 100; attempt++) {
		int length = snprintf(name, size, "%s.corrupt-%s", path, stamp);
		if (attempt > 1)
			snprintf(name + length, size - (size_t)length, "-%d", attempt);
		if (lstat(name, &status) && errno == ENOENT)
			return true;
	}
	return false;
}

int record_file_set_aside(const char *path, const char *reason)
{
	char name[PATH_MAX], from[PATH_MAX], to[PATH_MAX + 8];

	if (!find_name(path, name, sizeof name))
		return error_set(PROCOBSRV_ERROR_SYSTEM,
				 "%s is damaged, and there is no name left to set it aside", path);
	/* The -wal first: without its own a new file must not meet it. */
	for (size_t i = COMPANIONS; i-- > 0;) {
		snprintf(from, sizeof from, "%s%s", path, companions[i]);
		snprintf(to, sizeof to, "%s%s", name, companions[i]);
		if (rename(from, to) && errno != ENOENT)
			return error_set_errno(
			    errno, "%s is damaged, and cannot be set aside as %s", path, name);
	}
	return error_set(PROCOBSRV_ERROR_CORRUPT, "%s; it is kept as %s, a new one is begun",
			 reason, name);
}

uint64_t record_database_log_size(const char *path)
{
	char name[PATH_MAX];
	struct stat status;

	snprintf(name, sizeof name, "%s-wal", path);
	return stat(name, &status) ? 0 : (uint64_t)status.st_size;
}

uint64_t record_database_size(const char *path)
{
	char name[PATH_MAX];
	struct stat status;
	uint64_t size = 0;

	for (size_t i = 0; i < COMPANIONS; i++) {
		snprintf(name, sizeof name, "%s%s", path, companions[i]);
		if (!stat(name, &status))
			size += (uint64_t)status.st_size;
	}
	return size;
}
