/* SPDX-License-Identifier: MIT */
#include "json_lines_file.h"

#include "error.h"
#include "json_lines_old.h"
#include "notice.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCAN_SIZE (256u * 1024)

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

static int open_new(const struct json_lines_place *place, int *descriptor)
{
	int opened =
	    open(place->path,
		 O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	int error;

	if (opened < 0)
		return errno;
	/* Nobody has read it yet, so that it is never wider open than it shall be. */
	if ((place->group != (gid_t)-1 && fchown(opened, (uid_t)-1, place->group) < 0) ||
	    fchmod(opened, place->mode) < 0) {
		error = errno;
		unlink(place->path);
		close(opened);
		return error;
	}
	*descriptor = opened;
	return 0;
}

static int open_either(const struct json_lines_place *place, int *descriptor)
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
static int check_file(const struct json_lines_place *place, const struct stat *status)
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

static int lock_file(const struct json_lines_place *place, struct json_lines_file *file)
{
	struct stat named, opened;

	if (flock(file->descriptor, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? error_set(PROCOBSRV_ERROR_BUSY,
				       "'%s' is in use by another service; stop that, or name "
				       "another path",
				       place->path)
			   : error_set_errno(errno, "cannot lock '%s'", place->path);
	/* Between open and lock another service may have put it aside. */
	if (fstat(file->descriptor, &opened) < 0 || stat(place->path, &named) < 0 ||
	    named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
		return error_set(PROCOBSRV_ERROR_BUSY,
				 "'%s' was replaced while it was opened: another service may be "
				 "using it",
				 place->path);
	file->device = opened.st_dev;
	file->inode = opened.st_ino;
	file->size = (uint64_t)opened.st_size;
	return check_file(place, &opened);
}

/* What a look through a file finds. */
struct scan {
	struct json_lines_account *account;
	uint64_t good;	/* bytes up to the end of the last whole line */
	uint64_t total; /* bytes looked at */
	bool foreign;
};

/* Takes the whole lines out of the buffer. */
static void scan_lines(struct scan *scan, struct buffer *buffer)
{
	size_t begin = 0;
	char *end;

	if (scan->total == 0 && !json_lines_account_is_ours(buffer->data, buffer->size))
		scan->foreign = true;
	while ((end = memchr(buffer->data + begin, '\n', buffer->size - begin)) != NULL) {
		size_t next = (size_t)(end + 1 - buffer->data);

		scan->total += next - begin;
		if (json_lines_account_read(scan->account, buffer->data + begin, next - 1 - begin))
			scan->good = scan->total;
		begin = next;
	}
	memmove(buffer->data, buffer->data + begin, buffer->size - begin);
	buffer->size -= begin;
}

static int scan_file(int descriptor, const char *path, struct scan *scan)
{
	struct buffer buffer = BUFFER_EMPTY;
	ssize_t count = 1;
	off_t offset = 0;
	int error = 0;

	while (!error && !scan->foreign) {
		if (!buffer_reserve(&buffer, SCAN_SIZE)) {
			error =
			    error_set(PROCOBSRV_ERROR_MEMORY, "out of memory to read '%s'", path);
			break;
		}
		count = pread(descriptor, buffer.data + buffer.size, SCAN_SIZE, offset);
		if (count < 0 && errno != EINTR)
			error = error_set_errno(errno, "cannot read '%s'", path);
		if (count == 0)
			break;
		if (count < 0)
			continue;
		offset += count;
		buffer.size += (size_t)count;
		scan_lines(scan, &buffer);
	}
	scan->total += buffer.size;
	buffer_free(&buffer);
	return error;
}

static int remove_rest(const struct json_lines_place *place, struct json_lines_file *file,
		       const struct scan *scan)
{
	if (scan->good == file->size)
		return 0;
	if (ftruncate(file->descriptor, (off_t)scan->good) < 0)
		return error_set_errno(errno, "cannot remove half a line from the end of '%s'",
				       place->path);
	notice("'%s': removed %llu bytes of a line that was not finished", place->path,
	       (unsigned long long)(file->size - scan->good));
	file->size = scan->good;
	return 0;
}

static int take_over(const struct json_lines_place *place, struct json_lines_file *file,
		     struct json_lines_account *account)
{
	struct scan scan = {.account = account};
	int error = scan_file(file->descriptor, place->path, &scan);

	if (error)
		return error;
	if (scan.foreign)
		return error_set(PROCOBSRV_ERROR_CORRUPT,
				 "'%s' does not hold JSON lines of this service; remove it, or "
				 "name another path",
				 place->path);
	return remove_rest(place, file, &scan);
}

/* Where the numbers stand, when the file itself does not tell. */
static void read_newest(const struct json_lines_place *place, struct json_lines_account *account)
{
	char *path = json_lines_old_newest(place->path);
	struct scan scan = {.account = account};
	int descriptor = path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;

	if (descriptor >= 0) {
		/* One that an administrator compressed tells nothing: then they may repeat. */
		scan_file(descriptor, path, &scan);
		close(descriptor);
	}
	free(path);
}

int json_lines_file_open(const struct json_lines_place *place, struct json_lines_file *file,
			 struct json_lines_account *account)
{
	struct json_lines_account found = {.format = account->format};
	struct json_lines_file opened = {.descriptor = -1};
	int error = ensure_directory(place->path);

	if (error)
		return error;
	error = open_either(place, &opened.descriptor);
	if (error)
		return error_set_errno(error, "cannot write to '%s'%s", place->path,
				       error == ELOOP ? ", a symbolic link; name the file itself"
						      : "");
	error = lock_file(place, &opened);
	if (!error && opened.size)
		error = take_over(place, &opened, &found);
	if (error) {
		json_lines_file_close(&opened);
		return error;
	}
	if (!opened.size && account->known_stream)
		found = *account;
	else if (!opened.size)
		read_newest(place, &found);
	if (!opened.size) {
		json_lines_account_next_file(&found);
		found.format = account->format;
	}
	*file = opened;
	*account = found;
	return 0;
}

/* 0 or an errno. */
static int write_all(int descriptor, const char *data, size_t size)
{
	while (size) {
		ssize_t written = write(descriptor, data, size);

		if (written < 0 && errno != EINTR)
			return errno;
		if (written > 0) {
			data += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

int json_lines_file_append(const struct json_lines_place *place, struct json_lines_file *file,
			   const struct buffer *buffer)
{
	struct stat status;
	int error;

	if (buffer->failed)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for lines of '%s'",
				 place->path);
	/* Half a line that could not be removed then must be gone now. */
	if (fstat(file->descriptor, &status) < 0 ||
	    ((uint64_t)status.st_size > file->size &&
	     ftruncate(file->descriptor, (off_t)file->size) < 0))
		return error_set_errno(errno, "cannot remove half a line from the end of '%s'",
				       place->path);
	error = write_all(file->descriptor, buffer->data, buffer->size);
	if (error) {
		if (ftruncate(file->descriptor, (off_t)file->size) < 0)
			notice("'%s': half a line stays at its end for now: %m", place->path);
		return error_set_errno(error, "cannot write to '%s'%s", place->path,
				       error == ENOSPC || error == EDQUOT
					   ? "; make room, or keep fewer files (keep, rotate-size)"
					   : "");
	}
	file->size += buffer->size;
	return 0;
}

int json_lines_file_sync(const struct json_lines_place *place, const struct json_lines_file *file)
{
	if (fdatasync(file->descriptor) == 0)
		return 0;
	return error_set_errno(errno, "cannot bring '%s' to the disk", place->path);
}

bool json_lines_file_is_there(const struct json_lines_place *place,
			      const struct json_lines_file *file)
{
	struct stat status;

	return lstat(place->path, &status) == 0 && status.st_dev == file->device &&
	       status.st_ino == file->inode;
}

bool json_lines_file_is_cut(const struct json_lines_file *file)
{
	struct stat status;

	return fstat(file->descriptor, &status) == 0 && (uint64_t)status.st_size < file->size;
}

int json_lines_file_put_aside(const struct json_lines_place *place, struct json_lines_file *file)
{
	int error = json_lines_file_sync(place, file);

	if (!error)
		error = json_lines_old_add(place->path);
	if (!error)
		json_lines_file_close(file);
	return error;
}

int64_t json_lines_file_begin_ns(const char *path)
{
	struct json_lines_account account = {0};
	int descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	char text[1024];
	ssize_t size = descriptor < 0 ? 0 : pread(descriptor, text, sizeof text, 0);
	const char *end = size > 0 ? memchr(text, '\n', (size_t)size) : NULL;

	if (end)
		json_lines_account_read(&account, text, (size_t)(end - text));
	if (descriptor >= 0)
		close(descriptor);
	return account.begin_ns;
}

void json_lines_file_close(struct json_lines_file *file)
{
	if (file->descriptor >= 0)
		close(file->descriptor);
	file->descriptor = -1;
	file->size = 0;
}
