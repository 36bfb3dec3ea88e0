/* SPDX-License-Identifier: MIT */
/* The part of /proc that tells what a process runs; see proc_process.h. */
#include "proc_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP    (32u << 10)
#define KEEP_BYTES   (256u << 10)
#define DELETED_MARK " (deleted)"

static void set_missing(struct proc_image *image, enum record_string string,
			enum record_missing missing)
{
	image->image.missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(string);
}

static enum record_missing reason_of(int error)
{
	return error == ENOENT || error == ESRCH ? RECORD_MISSING_TOO_LATE
						 : RECORD_MISSING_UNREADABLE;
}

/* Reads a link into text; its length, or -1 with errno. */
static long read_link(int directory, const char *name, char *text, size_t size)
{
	ssize_t length = readlinkat(directory, name, text, size - 1);

	if (length < 0)
		return -1;
	text[length] = '\0';
	return length;
}

static bool remove_end(char *text, size_t *length, const char *end)
{
	size_t size = strlen(end);

	if (*length <= size || strcmp(text + *length - size, end))
		return false;
	*length -= size;
	text[*length] = '\0';
	return true;
}

/* Paths in /proc are as our root has them; the process may have another one below it. */
static void remove_root(char *text, size_t *length, const char *root, size_t root_length)
{
	if (root_length <= 1 || strncmp(text, root, root_length) ||
	    (text[root_length] != '/' && text[root_length] != '\0'))
		return;
	memmove(text, text + root_length, *length - root_length + 1);
	*length -= root_length;
	if (!*length) {
		strcpy(text, "/");
		*length = 1;
	}
}

static void read_exe(int directory, struct proc_image *image, const char *root, size_t root_length)
{
	struct stat status;
	long got = read_link(directory, "exe", image->exe, sizeof image->exe);

	if (got < 0) {
		set_missing(image, RECORD_STRING_EXE, reason_of(errno));
		return;
	}
	size_t length = (size_t)got;
	if (!fstatat(directory, "exe", &status, 0)) {
		image->image.exe_device = status.st_dev;
		image->image.exe_inode = status.st_ino;
		image->exe_mode = status.st_mode;
		image->exe_uid = status.st_uid;
		image->exe_gid = status.st_gid;
		/* A file that has a name may itself be called "x (deleted)". */
		if (status.st_nlink == 0 && remove_end(image->exe, &length, DELETED_MARK))
			image->image.flags |= RECORD_IMAGE_DELETED;
		if (status.st_nlink == 0 && !strncmp(image->exe, "/memfd:", 7))
			image->image.flags |= RECORD_IMAGE_MEMFD;
	}
	remove_root(image->exe, &length, root, root_length);
	image->strings[RECORD_STRING_EXE] = (struct record_bytes){image->exe, length};
}

static void read_cwd(int directory, struct proc_image *image, const char *root, size_t root_length)
{
	long got = read_link(directory, "cwd", image->cwd, sizeof image->cwd);

	if (got < 0) {
		set_missing(image, RECORD_STRING_CWD, reason_of(errno));
		return;
	}
	size_t length = (size_t)got;
	struct stat status;
	if (!fstatat(directory, "cwd", &status, 0) && status.st_nlink == 0)
		remove_end(image->cwd, &length, DELETED_MARK);
	remove_root(image->cwd, &length, root, root_length);
	image->strings[RECORD_STRING_CWD] = (struct record_bytes){image->cwd, length};
}

/* Reads a whole file of any length up to `most` bytes. 0, or an errno; *cut: there was more. */
static int read_whole(int directory, const char *name, uint64_t most, struct arena *arena,
		      bool *cut)
{
	int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
	int error = 0;

	if (file < 0)
		return errno;
	for (;;) {
		if (!arena_reserve(arena, READ_STEP)) {
			error = ENOMEM;
			break;
		}
		ssize_t got = read(file, arena->data + arena->size, READ_STEP);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			error = errno;
		if (got <= 0)
			break;
		arena->size += (size_t)got;
		if (arena->size > most) {
			arena->size = (size_t)most;
			*cut = true;
			break;
		}
	}
	close(file);
	return error;
}

static void read_vector(int directory, const char *name, uint64_t most, struct arena *arena,
			struct proc_image *image, enum record_string string)
{
	bool cut = false;
	int error;

	arena_clear(arena, KEEP_BYTES);
	error = read_whole(directory, name, most, arena, &cut);
	image->strings[string] = (struct record_bytes){arena->data, arena->size};
	if (error)
		set_missing(image, string,
			    error == ENOMEM ? RECORD_MISSING_NO_ROOM : reason_of(error));
	else if (cut)
		set_missing(image, string, RECORD_MISSING_TRUNCATED);
	else if (!arena->size && !image->strings[RECORD_STRING_EXE].size)
		/* Without memory /proc shows an empty vector: the process is on its way out. */
		set_missing(image, string,
			    image->image.missing >> RECORD_MISSING_SHIFT(RECORD_STRING_EXE) & 0xf);
}

static void read_namespaces(int directory, struct record_image *image)
{
	static const struct {
		const char *name;
		size_t offset;
	} spaces[] = {
	    {"ns/mnt", offsetof(struct record_image, mount_namespace)},
	    {"ns/pid", offsetof(struct record_image, pid_namespace)},
	    {"ns/user", offsetof(struct record_image, user_namespace)},
	    {"ns/net", offsetof(struct record_image, network_namespace)},
	    {"ns/uts", offsetof(struct record_image, uts_namespace)},
	    {"ns/ipc", offsetof(struct record_image, ipc_namespace)},
	    {"ns/cgroup", offsetof(struct record_image, cgroup_namespace)},
	    {"ns/time", offsetof(struct record_image, time_namespace)},
	};
	char text[64];

	for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
		if (read_link(directory, spaces[i].name, text, sizeof text) < 0)
			continue; /* not allowed, or a kernel without it */
		const char *number = strchr(text, '[');
		if (number)
			*(uint32_t *)((char *)image + spaces[i].offset) =
			    (uint32_t)strtoul(number + 1, NULL, 10);
	}
}

/* Finds AT_EXECFN and AT_SECURE in an auxiliary vector of 64-bit or 32-bit words. */
static uint64_t parse_auxiliary(const void *data, size_t size, bool *secure)
{
	const uint64_t *wide = data;
	const uint32_t *narrow = data;
	/* In the vector of a 32-bit program the first two words look like one huge key. */
	bool is_wide = size >= sizeof *wide && *wide <= UINT32_MAX;
	size_t pairs = size / (2 * (is_wide ? sizeof *wide : sizeof *narrow));
	uint64_t filename = 0;

	for (size_t i = 0; i < pairs; i++) {
		uint64_t key = is_wide ? wide[2 * i] : narrow[2 * i];
		uint64_t value = is_wide ? wide[2 * i + 1] : narrow[2 * i + 1];
		if (key == AT_NULL)
			break;
		if (key == AT_EXECFN)
			filename = value;
		if (key == AT_SECURE)
			*secure = value != 0;
	}
	return filename;
}

/* What exec was called with stands in the process's memory, where the kernel put it for ld.so. */
static bool read_filename(int directory, struct proc_image *image)
{
	_Alignas(8) char vector[1024];
	bool secure = false;
	long size = proc_read_text(directory, "auxv", vector, sizeof vector);
	uint64_t address = size > 0 ? parse_auxiliary(vector, (size_t)size, &secure) : 0;

	if (secure)
		image->image.flags |= RECORD_IMAGE_SECURE;
	if (!address)
		return false;
	int memory = openat(directory, "mem", O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return false;
	ssize_t got = pread(memory, image->filename, sizeof image->filename, (off_t)address);
	close(memory);
	size_t length = got > 0 ? strnlen(image->filename, (size_t)got) : 0;
	if (!length || length == (size_t)got)
		return false;
	image->strings[RECORD_STRING_FILENAME] = (struct record_bytes){image->filename, length};
	return true;
}

/*
 * A script's file begins with "#!", and it is not what runs. The kernel then has put what that
 * line names in the place of argv[0].
 */
static void find_interpreter(int directory, struct proc_image *image)
{
	char path[PATH_MAX + 8], first[2] = "";
	struct stat status;
	bool absolute = image->filename[0] == '/';

	snprintf(path, sizeof path, "%s/%s", absolute ? "root" : "cwd", image->filename);
	if (fstatat(directory, path, &status, 0) || !S_ISREG(status.st_mode) ||
	    (status.st_ino == image->image.exe_inode && status.st_dev == image->image.exe_device))
		return;
	int file = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file < 0)
		return;
	ssize_t got = read(file, first, sizeof first);
	close(file);
	if (got != sizeof first || memcmp(first, "#!", 2) || !image->argv.size)
		return;
	size_t length = strnlen(image->argv.data, image->argv.size);
	if (length >= sizeof image->interpreter)
		length = sizeof image->interpreter - 1;
	memcpy(image->interpreter, image->argv.data, length);
	image->strings[RECORD_STRING_INTERPRETER] =
	    (struct record_bytes){image->interpreter, length};
}

void proc_image_read(int directory, const struct proc_image_options *options,
		     struct proc_image *image)
{
	char root[PATH_MAX], byte;
	long root_length = read_link(directory, "root", root, sizeof root);

	memset(&image->image, 0, sizeof image->image);
	memset(image->strings, 0, sizeof image->strings);
	image->exe_mode = 0;
	/* What is gone first is read first. */
	read_exe(directory, image, root, root_length > 0 ? (size_t)root_length : 0);
	read_vector(directory, "cmdline", options->max_args, &image->argv, image,
		    RECORD_STRING_ARGV);
	image->image.argv_size = image->argv.size;
	/* Of who has given its memory back it reads as empty, as it does of who has no arguments.
	 */
	if (!image->argv.size && readlinkat(directory, "exe", &byte, 1) < 0 &&
	    record_missing(&image->image, RECORD_STRING_ARGV) == RECORD_WHOLE)
		set_missing(image, RECORD_STRING_ARGV, RECORD_MISSING_TOO_LATE);
	read_cwd(directory, image, root, root_length > 0 ? (size_t)root_length : 0);
	if (options->env)
		read_vector(directory, "environ", options->max_args, &image->env, image,
			    RECORD_STRING_ENV);
	if (options->invocation && read_filename(directory, image))
		find_interpreter(directory, image);
	read_namespaces(directory, &image->image);
}

void proc_image_mark_privileges(struct proc_image *image,
				const struct record_credentials *credentials)
{
	if (image->exe_mode & S_ISUID && credentials->uid != credentials->euid &&
	    credentials->euid == image->exe_uid)
		image->image.flags |= RECORD_IMAGE_SETUID;
	if (image->exe_mode & S_ISGID && credentials->gid != credentials->egid &&
	    credentials->egid == image->exe_gid)
		image->image.flags |= RECORD_IMAGE_SETGID;
}

void proc_image_too_late(struct proc_image *image, bool env)
{
	memset(&image->image, 0, sizeof image->image);
	memset(image->strings, 0, sizeof image->strings);
	set_missing(image, RECORD_STRING_EXE, RECORD_MISSING_TOO_LATE);
	set_missing(image, RECORD_STRING_CWD, RECORD_MISSING_TOO_LATE);
	set_missing(image, RECORD_STRING_ARGV, RECORD_MISSING_TOO_LATE);
	if (env)
		set_missing(image, RECORD_STRING_ENV, RECORD_MISSING_TOO_LATE);
}

void proc_image_free(struct proc_image *image)
{
	arena_free(&image->argv);
	arena_free(&image->env);
}
