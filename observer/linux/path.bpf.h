/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Paths: bpf_d_path() is not allowed in these hooks, so that they are walked from the leaf to the
 * process's root, across mounts, and told in that order. No lock is held: a path that is renamed
 * meanwhile is told as it was found on the way.
 */
#ifndef PROCOBSRV_OBSERVER_LINUX_PATH_BPF_H
#define PROCOBSRV_OBSERVER_LINUX_PATH_BPF_H

#include "kernel_types.h"
#include "strings.bpf.h"

static __always_inline uint64_t read_pointer(uint64_t address)
{
	uint64_t value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

/* Steps into a mount: reads what the walk needs of it. */
static __always_inline void walk_enter_mount(struct path_walk *walk, uint64_t mount)
{
	uint32_t parent = bpf_core_field_offset(struct mount, mnt_parent);
	uint32_t place = bpf_core_field_offset(struct mount, mnt_mountpoint);
	uint32_t top = bpf_core_field_offset(struct mount, mnt) +
		       bpf_core_field_offset(struct vfsmount, mnt_root);

	walk->mount = mount;
	if (place == parent + 8 && top == place + 8) { /* as ever: one read */
		uint64_t parts[3] = {};
		bpf_probe_read_kernel(parts, sizeof(parts), (void *)(mount + parent));
		walk->mount_parent = parts[0];
		walk->mount_place = parts[1];
		walk->mount_top = parts[2];
	} else {
		walk->mount_parent = read_pointer(mount + parent);
		walk->mount_place = read_pointer(mount + place);
		walk->mount_top = read_pointer(mount + top);
	}
}

struct dentry_parts {
	uint64_t parent;
	uint64_t hash_and_length;
	uint64_t name;
};

static __always_inline bool dentry_read(struct dentry_parts *parts, uint64_t dentry)
{
	uint32_t parent = bpf_core_field_offset(struct dentry, d_parent);
	uint32_t name = bpf_core_field_offset(struct dentry, d_name);

	if (name == parent + 8 && bpf_core_field_offset(struct qstr, name) == 8 &&
	    bpf_core_field_offset(struct qstr, len) == 4)
		return bpf_probe_read_kernel(parts, sizeof(*parts), (void *)(dentry + parent)) == 0;

	uint32_t length = 0;
	bpf_probe_read_kernel(&length, sizeof(length),
			      (void *)(dentry + name + bpf_core_field_offset(struct qstr, len)));
	parts->parent = read_pointer(dentry + parent);
	parts->hash_and_length = (uint64_t)length << 32;
	parts->name = read_pointer(dentry + name + bpf_core_field_offset(struct qstr, name));
	return parts->parent != 0;
}

static __always_inline bool walk_append(struct scratch *scratch, struct path_walk *walk,
					const struct dentry_parts *parts)
{
	uint64_t end = *(volatile uint64_t *)&walk->end; /* forgets its bounds */
	uint64_t length = parts->hash_and_length >> 32;

	if (length > COMPONENT_ROOM - 1)
		length = COMPONENT_ROOM - 1;
	if (end - walk->start + length + 1 > PATH_TAKEN || end > STRINGS_ROOM - COMPONENT_ROOM) {
		walk->result = WALK_TOO_LONG;
		return false;
	}
	char *to = scratch->strings + end;
	if (bpf_probe_read_kernel(to, length, (void *)parts->name)) {
		walk->result = WALK_UNREADABLE;
		return false;
	}
	to[length] = 0;
	walk->end = end + length + 1;
	return true;
}

/* One component or one mount upwards. 0: go on. */
static __always_inline long walk_step(struct scratch *scratch)
{
	struct path_walk *walk = &scratch->walk;
	struct dentry_parts parts = {};

	if (walk->dentry == walk->root_dentry && walk->mount == walk->root_mount) {
		walk->result = WALK_AT_ROOT;
		return 1;
	}
	if (walk->dentry == walk->mount_top) {
		if (walk->mount_parent == walk->mount || !walk->mount_parent) {
			walk->result = WALK_AT_TOP;
			return 1;
		}
		walk->dentry = walk->mount_place;
		walk_enter_mount(walk, walk->mount_parent);
		return 0;
	}
	if (!dentry_read(&parts, walk->dentry)) {
		walk->result = WALK_UNREADABLE;
		return 1;
	}
	if (parts.parent == walk->dentry) {
		walk->result = WALK_DISCONNECTED;
		if (walk->end == walk->start)
			walk_append(scratch, walk, &parts);
		return 1;
	}
	if (!walk_append(scratch, walk, &parts))
		return 1;
	walk->dentry = parts.parent;
	return 0;
}

#ifndef PROCOBSRV_LEGACY
static long walk_step_callback(uint32_t index, struct strings *strings)
{
	return walk_step(strings->scratch);
}
#endif

/* `root` and `place` are copies of a struct path. */
static __always_inline uint32_t append_path(struct strings *strings, enum record_string string,
					    const struct path_place *place,
					    const struct path_place *root)
{
	uint32_t to_mount = bpf_core_field_offset(struct mount, mnt);
	struct path_walk *walk = &strings->scratch->walk;
	uint64_t start = strings->end;

	walk->start = start;
	walk->end = start;
	walk->result = WALK_NOT_DONE;
	walk->dentry = place->dentry;
	walk->root_dentry = root->dentry;
	walk->root_mount = root->mount_point - to_mount;
	walk_enter_mount(walk, place->mount_point - to_mount);
#ifdef PROCOBSRV_LEGACY
	for (int i = 0; i < MAX_PATH_COMPONENTS; i++)
		if (walk_step(strings->scratch))
			break;
#else
	bpf_loop(MAX_PATH_COMPONENTS, walk_step_callback, strings, 0);
#endif
	if (walk->result == WALK_NOT_DONE || walk->result == WALK_TOO_LONG)
		image_missing(strings->image, string, RECORD_MISSING_TRUNCATED);
	if (walk->result == WALK_UNREADABLE)
		image_missing(strings->image, string, RECORD_MISSING_UNREADABLE);
	strings->image->string_length[string] = walk->end - start;
	strings->end = walk->end;
	return walk->result;
}

/* exe and cwd of a task that has an image. */
static __always_inline void append_exe_and_cwd(struct strings *strings,
					       const struct task_struct *task)
{
	struct path_place places[2] = {}; /* root, pwd */
	struct path_place exe = {};
	const struct file *file = task->mm->exe_file;
	const struct fs_struct *fs = task->fs;
	struct record_image *image = strings->image;

	if (bpf_core_field_offset(struct fs_struct, pwd) ==
	    bpf_core_field_offset(struct fs_struct, root) + sizeof(struct path_place)) {
		bpf_probe_read_kernel(places, sizeof(places), &fs->root);
	} else {
		bpf_probe_read_kernel(&places[0], sizeof(places[0]), &fs->root);
		bpf_probe_read_kernel(&places[1], sizeof(places[1]), &fs->pwd);
	}
	bpf_probe_read_kernel(&exe, sizeof(exe), &file->f_path);

	if (exe.dentry) {
		image->flags |= RECORD_IMAGE_EXE_REVERSED;
		append_path(strings, RECORD_STRING_EXE, &exe, &places[0]);
	} else {
		image_missing(image, RECORD_STRING_EXE, RECORD_MISSING_UNREADABLE);
	}
	if (places[1].dentry) {
		image->flags |= RECORD_IMAGE_CWD_REVERSED;
		if (append_path(strings, RECORD_STRING_CWD, &places[1], &places[0]) == WALK_AT_TOP)
			image->flags |= RECORD_IMAGE_UNREACHABLE_CWD;
	} else {
		image_missing(image, RECORD_STRING_CWD, RECORD_MISSING_UNREADABLE);
	}
}

#endif
