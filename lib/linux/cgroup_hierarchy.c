/* SPDX-License-Identifier: MIT */
#include "cgroup_hierarchy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The number that the kernel gives to the first cgroup namespace (PROC_CGROUP_INIT_INO). */
#define FIRST_CGROUP_NAMESPACE 0xeffffffbu

/* FILEID_KERNFS of include/linux/exportfs.h: a handle that is the id of a kernfs node. */
#define HANDLE_KERNFS 0xfe

/* Each level holds a directory open; deeper groups are told when they are asked for. */
#define DEPTH_MOST  64
#define GROUPS_MOST 8192

/* The place of the mount; -1: there is none that shows the host's paths. */
static int open_mount(char where[PATH_MAX])
{
	struct stat namespace;
	char root[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	int mount = -1;

	if (stat("/proc/self/ns/cgroup", &namespace) || namespace.st_ino != FIRST_CGROUP_NAMESPACE)
		return -1;
	FILE *file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return -1;
	while (mount < 0 && getline(&line, &size, file) > 0) {
		struct statfs status;
		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, where) != 2 ||
		    strcmp(root, "/") != 0)
			continue;
		mount = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		/* Something else may be mounted over it. */
		if (mount >= 0 && (fstatfs(mount, &status) ||
				   (unsigned long)status.f_type != CGROUP2_SUPER_MAGIC)) {
			close(mount);
			mount = -1;
		}
	}
	free(line);
	fclose(file);
	return mount;
}

/* ---- all of them ---- */

struct walk {
	source_on_cgroup on_cgroup;
	void *param;
	struct buffer path;
	size_t told;
};

/* Tells the group that `directory` is, whose path is in the walk, and those below; closes it. */
static void walk_below(struct walk *walk, int directory, uint64_t id, unsigned depth)
{
	size_t length = walk->path.size;
	DIR *entries = fdopendir(directory);

	if (!entries) {
		close(directory);
		return;
	}
	if (!walk->path.failed && walk->told++ < GROUPS_MOST)
		walk->on_cgroup(id, length ? walk->path.data : "/", length ? length : 1,
				walk->param);
	for (const struct dirent *entry; walk->told < GROUPS_MOST && (entry = readdir(entries));) {
		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, "..") || depth == DEPTH_MOST)
			continue;
		int below = openat(directory, entry->d_name,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			continue; /* gone meanwhile */
		buffer_append_character(&walk->path, '/');
		buffer_append_text(&walk->path, entry->d_name);
		walk_below(walk, below, entry->d_ino, depth + 1);
		walk->path.size = length;
	}
	closedir(entries);
}

void cgroup_hierarchy_list(source_on_cgroup on_cgroup, void *param)
{
	struct walk walk = {.on_cgroup = on_cgroup, .param = param};
	struct stat status;
	char where[PATH_MAX];
	int mount = open_mount(where);

	if (mount < 0)
		return;
	if (fstat(mount, &status))
		close(mount);
	else
		walk_below(&walk, mount, status.st_ino, 0);
	buffer_free(&walk.path);
}

/* ---- one of them ---- */

/* An O_PATH descriptor of the group; -1 and errno. */
static int open_group(int mount, uint64_t id)
{
	_Alignas(struct file_handle) char room[sizeof(struct file_handle) + sizeof id];
	struct file_handle *handle = (struct file_handle *)room;

	handle->handle_bytes = sizeof id;
	handle->handle_type = HANDLE_KERNFS;
	memcpy(handle->f_handle, &id, sizeof id);
	return open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC);
}

/* Where the descriptor is below the mount, if it is there still. */
static bool read_place(int group, const char *where, uint64_t id, struct buffer *path)
{
	char link[32], place[PATH_MAX];
	struct stat status;
	size_t prefix = strcmp(where, "/") ? strlen(where) : 0;

	snprintf(link, sizeof link, "/proc/self/fd/%d", group);
	ssize_t size = readlink(link, place, sizeof place - 1);
	if (size < (ssize_t)prefix)
		return false;
	place[size] = '\0';
	if (memcmp(place, where, prefix) != 0 || stat(place, &status) || status.st_ino != id)
		return false;
	buffer_append_text(path, place[prefix] ? place + prefix : "/");
	return true;
}

struct search {
	uint64_t id;
	struct buffer *path;
	bool found;
};

static void compare(uint64_t id, const char *path, size_t length, void *param)
{
	struct search *search = param;

	if (id != search->id || search->found)
		return;
	buffer_append(search->path, path, length);
	search->found = true;
}

bool cgroup_hierarchy_path(uint64_t id, struct buffer *path)
{
	char where[PATH_MAX];
	int mount = open_mount(where);
	bool found = false;

	if (mount < 0)
		return false;
	int group = open_group(mount, id);
	int error = errno;
	if (group >= 0) {
		found = read_place(group, where, id, path);
		close(group);
	}
	close(mount);
	if (group >= 0 || error == ESTALE || error == ENOENT)
		return found;

	/* Without CAP_DAC_READ_SEARCH it must be looked for. */
	struct search search = {.id = id, .path = path};
	cgroup_hierarchy_list(compare, &search);
	return search.found;
}
