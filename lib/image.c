/* SPDX-License-Identifier: MIT */
#include "image.h"

#include "image_wide.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *image_string_name(enum record_string string)
{
	static const char *const names[RECORD_STRING_COUNT] = {
	    [RECORD_STRING_EXE] = "exe",
	    [RECORD_STRING_CWD] = "cwd",
	    [RECORD_STRING_FILENAME] = "filename",
	    [RECORD_STRING_INTERPRETER] = "interpreter",
	    [RECORD_STRING_ARGV] = "argv",
	    [RECORD_STRING_ENV] = "env",
	    [RECORD_STRING_COMMAND_LINE] = "command_line",
	    [RECORD_STRING_SID] = "sid",
	};
	return names[string];
}

const char *image_missing_reason(enum record_missing missing)
{
	switch (missing) {
	case RECORD_MISSING_UNREADABLE:
		return "unreadable";
	case RECORD_MISSING_TRUNCATED:
		return "truncated";
	case RECORD_MISSING_NO_ROOM:
		return "no room";
	case RECORD_MISSING_NOT_TAKEN:
		return "not taken";
	case RECORD_MISSING_TOO_LATE:
		return "too late";
	default:
		return "unknown";
	}
}

/* Hands out room in one block; the sizes were counted before. */
struct room {
	char *next;
};

static char *room_take(struct room *room, size_t size)
{
	char *taken = room->next;
	room->next += size;
	return taken;
}

static const char *copy_string(struct room *room, struct record_bytes bytes)
{
	char *text = room_take(room, bytes.size + 1);
	memcpy(text, bytes.data, bytes.size);
	text[bytes.size] = '\0';
	return text;
}

/* "ls\0bin\0usr\0" becomes "/usr/bin/ls"; nothing becomes "/". */
static const char *copy_reversed_path(struct room *room, struct record_bytes bytes)
{
	char *path = room_take(room, bytes.size + 2);
	char *end = path + bytes.size + 1;
	const char *component = bytes.data, *stop = bytes.data + bytes.size;

	if (!bytes.size)
		return memcpy(path, "/", 2);

	*end = '\0';
	while (component < stop) {
		const char *nul = memchr(component, 0, (size_t)(stop - component));
		size_t length = (size_t)((nul ? nul : stop) - component);
		end -= length;
		memcpy(end, component, length);
		*--end = '/';
		component += length + 1;
	}
	return end;
}

static const char *copy_path(struct room *room, struct record_bytes bytes, bool reversed)
{
	return reversed ? copy_reversed_path(room, bytes) : copy_string(room, bytes);
}

static size_t count_terminated(struct record_bytes bytes)
{
	size_t count = 0;

	if (!bytes.size)
		return 0;
	const char *cursor = bytes.data, *stop = bytes.data + bytes.size;
	while (cursor < stop) {
		const char *nul = memchr(cursor, 0, (size_t)(stop - cursor));
		count++;
		cursor = nul ? nul + 1 : stop;
	}
	return count;
}

static bool wanted(const char *variable, const char *const *names)
{
	for (; *names; names++) {
		size_t length = strlen(*names);
		if (!strncmp(variable, *names, length) && variable[length] == '=')
			return true;
	}
	return false;
}

/* Fills pointers with the strings in block (NUL-terminated at `size`); returns how many. */
static size_t split(const char *block, size_t size, const char **pointers, const char *const *names)
{
	size_t count = 0;
	const char *cursor = block, *stop = block + size;

	while (cursor < stop) {
		if (!names || wanted(cursor, names))
			pointers[count++] = cursor;
		cursor += strlen(cursor) + 1;
	}
	pointers[count] = NULL;
	return count;
}

static const char *join(struct room *room, struct record_bytes first, struct record_bytes second)
{
	char *block = room_take(room, first.size + second.size + 1);
	if (first.size)
		memcpy(block, first.data, first.size);
	if (second.size)
		memcpy(block + first.size, second.data, second.size);
	block[first.size + second.size] = '\0';
	return block;
}

const struct image_flag image_flags[IMAGE_FLAG_COUNT] = {
    {RECORD_IMAGE_SETUID, PROCOBSRV_PROCESS_SETUID},
    {RECORD_IMAGE_SETGID, PROCOBSRV_PROCESS_SETGID},
    {RECORD_IMAGE_SECURE, PROCOBSRV_PROCESS_SECURE},
    {RECORD_IMAGE_MEMFD, PROCOBSRV_PROCESS_MEMFD},
    {RECORD_IMAGE_DELETED, PROCOBSRV_PROCESS_DELETED},
};

static uint32_t process_flags(const struct record_image *image)
{
	uint32_t flags = 0;

	for (int i = 0; i < IMAGE_FLAG_COUNT; i++)
		if (image->flags & image_flags[i].record)
			flags |= image_flags[i].process;
	return flags;
}

static void add_missing(struct image *image, enum record_string string, const char *reason)
{
	image->missing[image->missing_count].field = image_string_name(string);
	image->missing[image->missing_count].reason = reason;
	image->missing_count++;
	image->missing_strings |= 1u << string;
}

static void note_missing(struct image *image, const struct record_image *record, bool env_wanted)
{
	for (int i = 0; i < RECORD_STRING_COUNT; i++) {
		enum record_missing missing = record_missing(record, i);
		if (missing == RECORD_WHOLE || (i == RECORD_STRING_ENV && !env_wanted))
			continue;
		add_missing(image, i, image_missing_reason(missing));
	}
}

/* A string that is empty and marked as missing is absent, not empty. */
static bool told(const struct record_view *view, enum record_string string)
{
	return view->strings[string].size || record_missing(view->image, string) == RECORD_WHOLE;
}

static void set_strings(struct image *image, const struct record_view *view, struct room *room)
{
	const struct record_bytes *strings = view->strings;
	uint32_t flags = view->image->flags;

	if (told(view, RECORD_STRING_EXE) &&
	    (strings[RECORD_STRING_EXE].size || flags & RECORD_IMAGE_EXE_REVERSED))
		image->exe =
		    copy_path(room, strings[RECORD_STRING_EXE], flags & RECORD_IMAGE_EXE_REVERSED);
	if (told(view, RECORD_STRING_CWD) &&
	    (strings[RECORD_STRING_CWD].size || flags & RECORD_IMAGE_CWD_REVERSED))
		image->cwd =
		    copy_path(room, strings[RECORD_STRING_CWD], flags & RECORD_IMAGE_CWD_REVERSED);
	if (strings[RECORD_STRING_COMMAND_LINE].size)
		image->command_line = copy_string(room, strings[RECORD_STRING_COMMAND_LINE]);
	if (strings[RECORD_STRING_SID].size)
		image->sid = copy_string(room, strings[RECORD_STRING_SID]);

	const char *filename = NULL;
	if (strings[RECORD_STRING_FILENAME].size)
		filename = copy_string(room, strings[RECORD_STRING_FILENAME]);
	if (strings[RECORD_STRING_INTERPRETER].size) {
		image->interpreter = copy_string(room, strings[RECORD_STRING_INTERPRETER]);
		image->script = filename;
	} else if (filename && (!image->exe || strcmp(filename, image->exe))) {
		image->filename = filename;
	}
}

static void set_numbers(struct image *image, const struct record_image *record)
{
	image->process_flags = process_flags(record);
	image->exe_device = record->exe_device;
	image->exe_inode = record->exe_inode;
	image->mount_namespace = record->mount_namespace;
	image->pid_namespace = record->pid_namespace;
	image->user_namespace = record->user_namespace;
	image->network_namespace = record->network_namespace;
	image->uts_namespace = record->uts_namespace;
	image->ipc_namespace = record->ipc_namespace;
	image->cgroup_namespace = record->cgroup_namespace;
	image->time_namespace = record->time_namespace;
}

/* Of a view whose strings are bytes. */
static struct image *create(const struct record_view *view, const struct image_chunks *chunks,
			    const char *const *env_names, struct record_bytes exe_nt)
{
	struct record_bytes argv = view->strings[RECORD_STRING_ARGV];
	struct record_bytes env = view->strings[RECORD_STRING_ENV];
	/* Chunks are split at any byte, so an argument may be counted twice: only too much room. */
	size_t argc = count_terminated(chunks->argv) + count_terminated(argv);
	size_t variables = env_names ? count_terminated(chunks->env) + count_terminated(env) : 0;
	size_t pointers = argc + 1 + variables + 1;
	size_t bytes =
	    chunks->argv.size + chunks->env.size + exe_nt.size + 2 * RECORD_STRING_COUNT + 1;

	for (int i = 0; i < RECORD_STRING_COUNT; i++)
		bytes += view->strings[i].size;

	struct image *image = malloc(sizeof *image + pointers * sizeof(char *) + bytes);
	if (!image)
		return NULL;
	memset(image, 0, sizeof *image);
	atomic_init(&image->references, 1);

	const char **vector = (const char **)(image + 1);
	struct room room = {(char *)(vector + pointers)};

	set_numbers(image, view->image);
	note_missing(image, view->image, env_names != NULL);
	set_strings(image, view, &room);
	if (exe_nt.size)
		image->exe_nt = copy_string(&room, exe_nt);

	if (chunks->argv.size || told(view, RECORD_STRING_ARGV)) {
		const char *block = join(&room, chunks->argv, argv);
		image->argc = split(block, chunks->argv.size + argv.size, vector, NULL);
		image->argv = vector;
	}
	if (env_names && (chunks->env.size || told(view, RECORD_STRING_ENV))) {
		const char *block = join(&room, chunks->env, env);
		vector += argc + 1;
		image->env_count = split(block, chunks->env.size + env.size, vector, env_names);
		image->env = vector;
	}
	return image;
}

/*
 * Without an exe for what the kernel named, the reason is that no drive and no directory leads
 * there. A line that is empty is none: its program makes argv up.
 */
static struct image *create_wide(const struct record_view *view, const char *const *env_names)
{
	struct image_wide wide;

	if (!image_wide_make(&wide, view))
		return NULL;
	struct image *image = create(&wide.view, &(struct image_chunks){0}, env_names, wide.exe_nt);
	image_wide_free(&wide);
	if (!image)
		return NULL;
	image->process_flags |= PROCOBSRV_PROCESS_WTF8;
	if (!image->exe && image->exe_nt && !(image->missing_strings & 1u << RECORD_STRING_EXE))
		add_missing(image, RECORD_STRING_EXE, "not mapped");
	if (!image->argc)
		image->argv = NULL;
	return image;
}

struct image *image_create(const struct record_view *view, const struct image_chunks *chunks,
			   const char *const *env_names)
{
	if (view->header->flags & RECORD_UTF16)
		return create_wide(view, env_names);
	return create(view, chunks, env_names, (struct record_bytes){0});
}

struct image *image_ref(struct image *image)
{
	if (image)
		atomic_fetch_add_explicit(&image->references, 1, memory_order_relaxed);
	return image;
}

void image_unref(struct image *image)
{
	if (image && atomic_fetch_sub_explicit(&image->references, 1, memory_order_acq_rel) == 1)
		free(image);
}
