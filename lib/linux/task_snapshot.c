/* SPDX-License-Identifier: MIT */
#include "task_snapshot.h"

#include "buffer.h"
#include "error.h"
#include "proc_files.h"
#include "record.h"
#include "task_init.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The kernel gathers 32 KiB before it hands them out; a read of that size gets whole records. */
#define READ_SIZE (64u << 10)

struct snapshot {
	const struct task_snapshot_options *options;
	source_on_record on_record;
	void *param;
	struct buffer argv;
	struct buffer env;
	struct buffer record; /* the one that is being completed */
	struct task_init init;
};

static void set_missing(struct record_image *image, enum record_string string,
			enum record_missing missing)
{
	image->missing &= ~(0xfu << RECORD_MISSING_SHIFT(string));
	image->missing |= (uint32_t)missing << RECORD_MISSING_SHIFT(string);
}

static uint64_t smaller(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

/* Reads argv (and env) of the process into the snapshot's buffers. */
static void read_proc(struct snapshot *snapshot, const struct record_identity *process,
		      struct record_image *image, size_t room)
{
	const struct task_snapshot_options *options = snapshot->options;
	enum record_missing argv = RECORD_MISSING_TOO_LATE, env = RECORD_MISSING_TOO_LATE;
	int directory = proc_files_open(process);

	snapshot->argv.size = 0;
	snapshot->env.size = 0;
	if (directory >= 0) {
		argv = proc_files_read(directory, "cmdline", &snapshot->argv,
				       smaller(options->max_args, room));
		if (options->capture_env)
			env =
			    proc_files_read(directory, "environ", &snapshot->env,
					    smaller(options->max_args, room - snapshot->argv.size));
		close(directory);
	}
	if (!options->capture_env)
		env = RECORD_MISSING_NOT_TAKEN;
	set_missing(image, RECORD_STRING_ARGV, argv);
	set_missing(image, RECORD_STRING_ENV, env);
}

static struct record_image *image_of(void *record)
{
	return (struct record_image *)((struct record_body *)((struct record_header *)record + 1) +
				       1);
}

/* The iterator's record with argv and env behind its other strings. */
static void complete(struct snapshot *snapshot, struct record_header *header)
{
	const struct record_body *body = (struct record_body *)(header + 1);
	struct buffer *record = &snapshot->record;

	task_init_look(&snapshot->init, body);
	if (!(header->flags & RECORD_HAS_IMAGE) || header->size < RECORD_SMALL_EXEC_SIZE) {
		snapshot->on_record(header, header->size, snapshot->param);
		return;
	}
	read_proc(snapshot, &body->process, image_of(header),
		  RECORD_EXISTING_SIZE_MAX - header->size);
	record->size = 0;
	buffer_append(record, header, header->size);
	buffer_append(record, snapshot->argv.data, snapshot->argv.size);
	buffer_append(record, snapshot->env.data, snapshot->env.size);
	if (record->failed) {
		set_missing(image_of(header), RECORD_STRING_ARGV, RECORD_MISSING_NO_ROOM);
		snapshot->on_record(header, header->size, snapshot->param);
		record->failed = false;
		return;
	}
	header = (struct record_header *)record->data;
	header->size = (uint32_t)record->size;
	image_of(header)->string_length[RECORD_STRING_ARGV] = (uint32_t)snapshot->argv.size;
	image_of(header)->string_length[RECORD_STRING_ENV] = (uint32_t)snapshot->env.size;
	snapshot->on_record(header, header->size, snapshot->param);
}

/* Tells the whole records among `size` bytes; returns how many bytes they are. */
static size_t tell_records(struct snapshot *snapshot, const char *data, size_t size)
{
	_Alignas(8) char aligned[RECORD_SIZE_MAX];
	struct record_header header;
	size_t offset = 0;

	while (size - offset >= sizeof header) {
		memcpy(&header, data + offset, sizeof header);
		if (header.size > size - offset || header.size < sizeof header ||
		    header.size > sizeof aligned)
			break;
		memcpy(aligned, data + offset, header.size);
		complete(snapshot, (struct record_header *)aligned);
		offset += header.size;
	}
	return offset;
}

static int read_records(struct snapshot *snapshot, int iterator)
{
	size_t capacity = READ_SIZE + RECORD_SIZE_MAX, used = 0;
	char *data = malloc(capacity);

	if (!data)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the list of processes");
	for (;;) {
		ssize_t got = read(iterator, data + used, capacity - used);
		/* EAGAIN: it has looked at a million tasks and wants to be asked again. */
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0) {
			int error =
			    got < 0 ? error_set_errno(errno, "cannot list the processes") : 0;
			free(data);
			return error;
		}
		used += (size_t)got;
		size_t told = tell_records(snapshot, data, used);
		used -= told;
		memmove(data, data + told, used);
	}
}

int task_snapshot_take(const struct task_snapshot_options *options, source_on_record on_record,
		       void *param)
{
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	int link, iterator, error;

	if (!snapshot)
		return error_set(PROCOBSRV_ERROR_MEMORY, "out of memory for the list of processes");
	snapshot->options = options;
	snapshot->on_record = on_record;
	snapshot->param = param;
	link = bpf_link_create(options->program, 0, BPF_TRACE_ITER, NULL);
	if (link < 0) {
		error = error_set_errno(-link, "cannot start the kernel's list of processes");
		goto out;
	}
	iterator = bpf_iter_create(link);
	if (iterator < 0) {
		error = error_set_errno(-iterator, "cannot start the kernel's list of processes");
		goto out_link;
	}
	error = read_records(snapshot, iterator);
	if (!error)
		task_init_tell(&snapshot->init, options, on_record, param);
	close(iterator);
out_link:
	close(link);
out:
	buffer_free(&snapshot->argv);
	buffer_free(&snapshot->env);
	buffer_free(&snapshot->record);
	free(snapshot);
	return error;
}
