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

#define MAX_TYPED_COMPONENTS 8
#define INLINE_NAME_ROOM     32 /* the least that a dentry has */

/* Where a dentry keeps a short name; NULL: this kernel has it elsewhere. */
static __always_inline const void *inline_name(const struct dentry *dentry)
{
	const struct dentry___shortname *renamed = (const void *)dentry;

	if (bpf_core_field_exists(renamed->d_shortname))
		return &renamed->d_shortname;
	if (bpf_core_field_exists(dentry->d_iname))
		return &dentry->d_iname;
	return NULL;
}

/* Appends a name: a short one by plain loads, which beats calling a helper. */
static __always_inline bool append_name(struct scratch *scratch, struct path_walk *walk,
					const struct dentry *dentry)
{
	uint64_t end = *(volatile uint64_t *)&walk->end; /* forgets its bounds */
	uint64_t length = dentry->d_name.len;
	const void *name = dentry->d_name.name;
	const uint64_t *words = inline_name(dentry);
	uint64_t place = (uint64_t)words;

	/* Where they are equal the compiler would read through `name`, whose type is not known. */
	asm volatile("" : "+r"(place));
	if (length > COMPONENT_ROOM - 1)
		length = COMPONENT_ROOM - 1;
	if (end - walk->start + length + 1 > PATH_TAKEN || end > STRINGS_ROOM - COMPONENT_ROOM) {
		walk->result = WALK_TOO_LONG;
		return false;
	}
	char *to = scratch->strings + end;
	if (words && (uint64_t)name == place && length < INLINE_NAME_ROOM) {
		uint64_t *to_words = (uint64_t *)to; /* unaligned, as these machines allow */
		to_words[0] = words[0];
		to_words[1] = words[1];
		if (length >= 16) {
			to_words[2] = words[2];
			to_words[3] = words[3];
		}
	} else if (bpf_probe_read_kernel(to, length, name)) {
		walk->result = WALK_UNREADABLE;
		return false;
	}
	to[length] = 0;
	walk->end = end + length + 1;
	return true;
}

/*
 * The way up as long as it stays within one mount, through pointers whose type the verifier knows.
 * Leaves the dentry where it stopped and WALK_NOT_DONE if there is more to go.
 */
static __always_inline void walk_typed(struct scratch *scratch, const struct path *place,
				       const struct path *root)
{
	struct path_walk *walk = &scratch->walk;
	const struct dentry *dentry = place->dentry;
	const struct dentry *top = place->mnt->mnt_root;
	const struct dentry *end = root->dentry;
	bool same_mount = place->mnt == root->mnt;

	for (int i = 0; i < MAX_TYPED_COMPONENTS; i++) {
		if (same_mount && dentry == end) {
			walk->result = WALK_AT_ROOT;
			return;
		}
		const struct dentry *parent = dentry->d_parent;
		if (dentry == top || parent == dentry)
			break;
		if (!append_name(scratch, walk, dentry))
			return;
		dentry = parent;
	}
	walk->dentry = (uint64_t)dentry;
}

/* The rest of the way, across mounts, by probe reads. */
static __always_inline void walk_on(struct strings *strings, const struct path *place,
				    const struct path *root)
{
	struct path_walk *walk = &strings->scratch->walk;
	uint32_t to_mount = bpf_core_field_offset(struct mount, mnt);

	/* Stored and read again: what comes back from a map is a plain number. */
	walk->root_dentry = (uint64_t)root->dentry;
	walk->root_mount = (uint64_t)root->mnt;
	walk->mount = (uint64_t)place->mnt;
	walk->root_mount = *(volatile uint64_t *)&walk->root_mount - to_mount;
	walk_enter_mount(walk, *(volatile uint64_t *)&walk->mount - to_mount);
#ifdef PROCOBSRV_LEGACY
	for (int i = 0; i < MAX_PATH_COMPONENTS; i++)
		if (walk_step(strings->scratch))
			break;
#else
	bpf_loop(MAX_PATH_COMPONENTS, walk_step_callback, strings, 0);
#endif
}

static __always_inline uint32_t append_path(struct strings *strings, enum record_string string,
					    const struct path *place, const struct path *root)
{
	struct path_walk *walk = &strings->scratch->walk;
	uint64_t start = strings->end;

	walk->start = start;
	walk->end = start;
	walk->result = WALK_NOT_DONE;
	walk_typed(strings->scratch, place, root);
	if (walk->result == WALK_NOT_DONE)
		walk_on(strings, place, root);

	uint32_t result = walk->result;
	if (result == WALK_NOT_DONE || result == WALK_TOO_LONG)
		image_missing(strings->image, string, RECORD_MISSING_TRUNCATED);
	if (result == WALK_UNREADABLE)
		image_missing(strings->image, string, RECORD_MISSING_UNREADABLE);
	strings->image->string_length[string] = walk->end - start;
	strings->end = walk->end;
	return result;
}

/* exe and cwd of a task that has an image. */
static __always_inline void append_exe_and_cwd(struct strings *strings,
					       const struct task_struct *task)
{
	const struct file *file = task->mm->exe_file;
	const struct fs_struct *fs = task->fs;
	struct record_image *image = strings->image;

	if (file) {
		image->flags |= RECORD_IMAGE_EXE_REVERSED;
		append_path(strings, RECORD_STRING_EXE, &file->f_path, &fs->root);
	} else {
		image_missing(image, RECORD_STRING_EXE, RECORD_MISSING_UNREADABLE);
	}
	if (fs) {
		image->flags |= RECORD_IMAGE_CWD_REVERSED;
		if (append_path(strings, RECORD_STRING_CWD, &fs->pwd, &fs->root) == WALK_AT_TOP)
			image->flags |= RECORD_IMAGE_UNREACHABLE_CWD;
	} else {
		image_missing(image, RECORD_STRING_CWD, RECORD_MISSING_UNREADABLE);
	}
}

#endif
