/* SPDX-License-Identifier: MIT */
#include "kernel_objects.h"
#include "live.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int open_by_id(enum bpf_cmd command, uint32_t id)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_id = id; /* the first field of all three */
	return bpf(command, &attributes);
}

static bool information(int descriptor, void *info, uint32_t size)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof(attributes));
	attributes.info.bpf_fd = (uint32_t)descriptor;
	attributes.info.info_len = size;
	attributes.info.info = (uint64_t)(uintptr_t)info;
	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
}

static void add(uint32_t *ids, uint32_t *count, uint32_t id)
{
	for (uint32_t i = 0; i < *count; i++)
		if (ids[i] == id)
			return;
	EXPECT(*count < KERNEL_OBJECTS_MAX, "more than %u objects in the kernel",
	       KERNEL_OBJECTS_MAX);
	ids[(*count)++] = id;
}

static void read_descriptor(const char *path, struct kernel_objects *objects)
{
	char line[256];
	uint32_t id;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "prog_id: %u", &id) == 1)
			add(objects->programs, &objects->program_count, id);
		if (sscanf(line, "map_id: %u", &id) == 1)
			add(objects->maps, &objects->map_count, id);
		if (sscanf(line, "link_id: %u", &id) == 1)
			add(objects->links, &objects->link_count, id);
	}
	if (file)
		fclose(file);
}

/* Maps whose descriptors are closed live on through their programs. */
static void read_program(uint32_t program, struct kernel_objects *objects)
{
	uint32_t maps[KERNEL_OBJECTS_MAX];
	struct bpf_prog_info info;
	int descriptor = open_by_id(BPF_PROG_GET_FD_BY_ID, program);

	if (descriptor < 0)
		return;
	memset(&info, 0, sizeof(info));
	info.nr_map_ids = KERNEL_OBJECTS_MAX;
	info.map_ids = (uint64_t)(uintptr_t)maps;
	EXPECT(information(descriptor, &info, sizeof(info)), "program %u: %s", program,
	       strerror(errno));
	for (uint32_t i = 0; i < info.nr_map_ids && i < KERNEL_OBJECTS_MAX; i++)
		add(objects->maps, &objects->map_count, maps[i]);
	close(descriptor);
}

void kernel_objects_of(pid_t pid, struct kernel_objects *objects)
{
	const struct dirent *entry;
	char path[512];
	DIR *folder;

	memset(objects, 0, sizeof(*objects));
	snprintf(path, sizeof(path), "/proc/%d/fdinfo", (int)pid);
	folder = opendir(path);
	EXPECT(folder, "%s: %s", path, strerror(errno));
	while ((entry = readdir(folder))) {
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", (int)pid, entry->d_name);
		if (entry->d_name[0] != '.')
			read_descriptor(path, objects);
	}
	closedir(folder);
	for (uint32_t i = 0; i < objects->program_count; i++)
		read_program(objects->programs[i], objects);
}

static bool gone(enum bpf_cmd command, const uint32_t *ids, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		int descriptor = open_by_id(command, ids[i]);

		if (descriptor < 0 && errno == ENOENT)
			continue;
		EXPECT(descriptor >= 0, "look for object %u: %s", ids[i], strerror(errno));
		close(descriptor);
		return false;
	}
	return true;
}

bool kernel_objects_gone(const struct kernel_objects *objects)
{
	uint64_t begin = live_begin_wait();

	/* The kernel frees them when no cpu can be in them any more. */
	do {
		if (gone(BPF_LINK_GET_FD_BY_ID, objects->links, objects->link_count) &&
		    gone(BPF_PROG_GET_FD_BY_ID, objects->programs, objects->program_count) &&
		    gone(BPF_MAP_GET_FD_BY_ID, objects->maps, objects->map_count))
			return true;
	} while (live_goes_on(begin, 10));
	return false;
}

/* A raw tracepoint's link, with types or without, tells where it hangs. */
static const char *link_place(uint32_t link)
{
	static char name[64];
	struct bpf_link_info info;
	int descriptor = open_by_id(BPF_LINK_GET_FD_BY_ID, link);

	if (descriptor < 0)
		return NULL;
	memset(&info, 0, sizeof(info));
	info.raw_tracepoint.tp_name = (uint64_t)(uintptr_t)name;
	info.raw_tracepoint.tp_name_len = sizeof(name);
	name[0] = '\0';
	EXPECT(information(descriptor, &info, sizeof(info)), "link %u: %s", link, strerror(errno));
	close(descriptor);
	if (info.type != BPF_LINK_TYPE_RAW_TRACEPOINT)
		snprintf(name, sizeof(name), "a link of type %u", info.type);
	return name;
}

const char *kernel_objects_elsewhere(const struct kernel_objects *objects)
{
	static const char *const expected[] = {"sched_process_fork", "sched_process_exec",
					       "sched_process_exit", "cgroup_mkdir"};

	for (uint32_t i = 0; i < objects->link_count; i++) {
		const char *place = link_place(objects->links[i]);
		bool known = !place;

		for (size_t j = 0; j < sizeof(expected) / sizeof(expected[0]) && !known; j++)
			known = !strcmp(place, expected[j]);
		if (!known)
			return place;
	}
	return NULL;
}
