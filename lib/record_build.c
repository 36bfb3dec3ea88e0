/* SPDX-License-Identifier: MIT */
#include "record_build.h"

#include "image.h"
#include "record.h"
#include "utf16.h"

#include <string.h>

static uint32_t told(const struct procobsrv_process *process, uint32_t bit, uint32_t value)
{
	return process->present & bit ? value : RECORD_ID_UNKNOWN;
}

void record_build_body(struct record_body *body, const struct procobsrv_process *process)
{
	body->process.pid = process->pid;
	body->process.start_ns = process->start_boot_ns;
	body->process.ns_pid = process->present & PROCOBSRV_HAS_NS_PID ? process->ns_pid : 0;
	body->parent.pid = process->ppid;
	body->credentials = (struct record_credentials){
	    process->uid,
	    process->gid,
	    process->euid,
	    process->egid,
	    told(process, PROCOBSRV_HAS_LOGINUID, process->loginuid),
	    told(process, PROCOBSRV_HAS_SESSION, process->session),
	};
	if (!(process->flags & PROCOBSRV_PROCESS_WTF8)) /* else exe tells it */
		memcpy(body->name, process->name, strnlen(process->name, RECORD_NAME_SIZE - 1));
	body->cgroup = process->cgroup_id;
	body->exec_id = process->exec_id;
	body->session_leader = process->session_leader;
	body->tty = process->tty_device;
	if (!(process->present & PROCOBSRV_HAS_CREDENTIALS))
		body->process_flags |= RECORD_PROCESS_NO_CREDENTIALS;
	if (process->flags & PROCOBSRV_PROCESS_KERNEL_THREAD)
		body->process_flags |= RECORD_PROCESS_KERNEL_THREAD;
	if (!(process->flags & PROCOBSRV_PROCESS_FORKED))
		body->process_flags |= RECORD_PROCESS_EXECED;
}

static uint32_t record_flags(const struct procobsrv_process *process)
{
	uint32_t flags = 0;

	for (int i = 0; i < IMAGE_FLAG_COUNT; i++)
		if (process->flags & image_flags[i].process)
			flags |= image_flags[i].record;
	return flags;
}

static void set_missing(struct record_image *image, enum record_string string,
			enum record_missing missing)
{
	image->missing &= ~((uint32_t)0xf << RECORD_MISSING_SHIFT(string));
	image->missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(string);
}

static void copy_missing(struct record_image *image, const struct procobsrv_process *process)
{
	for (size_t i = 0; i < process->missing_count; i++)
		for (int string = 0; string < RECORD_STRING_COUNT; string++)
			for (int missing = RECORD_MISSING_UNREADABLE;
			     missing <= RECORD_MISSING_TOO_LATE; missing++)
				if (!strcmp(process->missing[i].field, image_string_name(string)) &&
				    !strcmp(process->missing[i].reason,
					    image_missing_reason(missing)))
					set_missing(image, string, missing);
}

static void set_image(struct record_image *image, const struct procobsrv_process *process)
{
	image->flags = record_flags(process);
	image->exe_device = process->exe_device;
	image->exe_inode = process->exe_inode;
	image->mount_namespace = process->mount_namespace;
	image->pid_namespace = process->pid_namespace;
	image->user_namespace = process->user_namespace;
	image->network_namespace = process->network_namespace;
	image->uts_namespace = process->uts_namespace;
	image->ipc_namespace = process->ipc_namespace;
	image->cgroup_namespace = process->cgroup_namespace;
	image->time_namespace = process->time_namespace;
	image->thread_pid = process->pid;
	copy_missing(image, process);
}

/* Appends a string whole, or not at all. */
static void append_string(struct buffer *buffer, size_t end, struct record_image *image,
			  enum record_string string, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	if (buffer->size + size > end) {
		set_missing(image, string, RECORD_MISSING_TRUNCATED);
		return;
	}
	buffer_append(buffer, text ? text : "", size);
	image->string_length[string] = (uint32_t)size;
	if (!text && record_missing(image, string) == RECORD_WHOLE)
		set_missing(image, string, RECORD_MISSING_NOT_TAKEN);
}

static void append_vector(struct buffer *buffer, size_t end, struct record_image *image,
			  enum record_string string, const char *const *vector, size_t count)
{
	size_t before = buffer->size;

	for (size_t i = 0; i < count; i++) {
		size_t size = strlen(vector[i]) + 1;
		if (buffer->size + size > end) {
			set_missing(image, string, RECORD_MISSING_TRUNCATED);
			break;
		}
		buffer_append(buffer, vector[i], size);
	}
	image->string_length[string] = (uint32_t)(buffer->size - before);
	if (!vector && record_missing(image, string) == RECORD_WHOLE)
		set_missing(image, string, RECORD_MISSING_NOT_TAKEN);
}

/* What was UTF-16 becomes so again: whole, or not at all. */
static void append_wide(struct buffer *buffer, size_t end, struct record_image *image,
			enum record_string string, const char *text)
{
	size_t before = buffer->size;

	if (text)
		utf16_append(buffer, text, strlen(text));
	if (buffer->size > end) {
		buffer->size = before;
		set_missing(image, string, RECORD_MISSING_TRUNCATED);
	}
	image->string_length[string] = (uint32_t)(buffer->size - before);
}

/* In the order of enum record_string; exe and argv are made anew of what they were made of. */
static void append_wide_strings(struct buffer *buffer, size_t end, struct record_image *image,
				const struct procobsrv_process *process)
{
	append_wide(buffer, end, image, RECORD_STRING_EXE,
		    process->exe_nt ? process->exe_nt : process->exe);
	append_wide(buffer, end, image, RECORD_STRING_CWD, process->cwd);
	append_wide(buffer, end, image, RECORD_STRING_COMMAND_LINE, process->command_line);
	append_wide(buffer, end, image, RECORD_STRING_SID, process->sid);
}

static void append_strings(struct buffer *buffer, size_t end, struct record_image *image,
			   const struct procobsrv_process *process)
{
	append_string(buffer, end, image, RECORD_STRING_EXE, process->exe);
	append_string(buffer, end, image, RECORD_STRING_CWD, process->cwd);
	append_string(buffer, end, image, RECORD_STRING_FILENAME,
		      process->script	  ? process->script
		      : process->filename ? process->filename
					  : "");
	append_string(buffer, end, image, RECORD_STRING_INTERPRETER,
		      process->interpreter ? process->interpreter : "");
	append_vector(buffer, end, image, RECORD_STRING_ARGV, process->argv, process->argc);
	append_vector(buffer, end, image, RECORD_STRING_ENV, process->env, process->env_count);
	append_string(buffer, end, image, RECORD_STRING_COMMAND_LINE,
		      process->command_line ? process->command_line : "");
	append_string(buffer, end, image, RECORD_STRING_SID, process->sid ? process->sid : "");
	if (!process->env)
		set_missing(image, RECORD_STRING_ENV, RECORD_WHOLE);
}

bool record_build_has_image(const struct procobsrv_process *process)
{
	return process->exe || process->argv || process->filename || process->script ||
	       process->exe_inode || process->flags & PROCOBSRV_PROCESS_WTF8;
}

bool record_build_image(struct record_image *image, struct buffer *strings, size_t most,
			const struct procobsrv_process *process)
{
	bool wide = process->flags & PROCOBSRV_PROCESS_WTF8;

	set_image(image, process);
	if (wide)
		append_wide_strings(strings, strings->size + most, image, process);
	else
		append_strings(strings, strings->size + most, image, process);
	return wide;
}

void record_build_existing_of(const struct procobsrv_process *process, struct buffer *buffer)
{
	static const char padding[8];
	struct record_header header = {.version = RECORD_VERSION, .kind = RECORD_EXISTING};
	struct record_body body = {0};
	struct record_image image = {0};
	size_t begin = buffer->size;

	record_build_body(&body, process);
	buffer_append(buffer, &header, sizeof header);
	buffer_append(buffer, &body, sizeof body);
	if (record_build_has_image(process)) {
		size_t place = buffer->size;
		header.flags |= RECORD_HAS_IMAGE;
		buffer_append(buffer, &image, sizeof image);
		size_t most = begin + RECORD_EXISTING_SIZE_MAX - 8 - buffer->size;
		if (record_build_image(&image, buffer, most, process))
			header.flags |= RECORD_UTF16;
		if (!buffer->failed)
			memcpy(buffer->data + place, &image, sizeof image);
	}
	header.size = (uint32_t)(buffer->size - begin);
	if (!buffer->failed)
		memcpy(buffer->data + begin, &header, sizeof header);
	buffer_append(buffer, padding, -buffer->size & 7);
}
