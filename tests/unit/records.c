/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <assert.h>
#include <string.h>

static void append(struct test_record *record, const void *data, size_t size)
{
	assert(record->size + size <= sizeof record->data);
	memcpy(record->data + record->size, data, size);
	record->size += (uint32_t)size;
	((struct record_header *)record->data)->size = record->size;
}

static void begin(struct test_observer *observer, struct test_record *record, enum record_kind kind)
{
	struct record_header header = {.version = RECORD_VERSION, .kind = (uint16_t)kind};

	if (observer) {
		header.number = kind == RECORD_CHUNK ? observer->number + 1 : ++observer->number;
		header.time_ns = ++observer->time_ns;
		header.cpu = observer->cpu;
		memcpy(header.lost, observer->lost, sizeof header.lost);
	}
	memset(record, 0, sizeof *record);
	append(record, &header, sizeof header);
}

static void append_body(struct test_record *record, uint32_t pid, uint64_t start_ns, uint32_t ppid,
			uint64_t parent_start_ns, uint64_t exec_id, uint32_t process_flags)
{
	struct record_body body = {
	    .process = {.pid = pid, .start_ns = start_ns, .ns_pid = pid},
	    .parent = {.pid = ppid, .start_ns = parent_start_ns},
	    .credentials = {.uid = 1000,
			    .gid = 1000,
			    .euid = 1000,
			    .egid = 1000,
			    .loginuid = RECORD_ID_UNKNOWN,
			    .session = RECORD_ID_UNKNOWN},
	    .name = "test",
	    .exec_id = exec_id,
	    .process_flags = process_flags,
	};

	append(record, &body, sizeof body);
}

void record_build_start(struct test_observer *observer, struct test_record *record, uint32_t pid,
			uint64_t start_ns, uint32_t ppid, uint64_t parent_start_ns)
{
	struct record_start start = {.creator = {.pid = ppid, .start_ns = parent_start_ns}};

	begin(observer, record, RECORD_START);
	append_body(record, pid, start_ns, ppid, parent_start_ns, 1, 0);
	append(record, &start, sizeof start);
}

static void append_image(struct test_record *record, const struct test_image *image)
{
	struct record_image fixed = {.flags = RECORD_IMAGE_EXE_REVERSED};
	const char *filename = image->filename ? image->filename : "";
	const char *interpreter = image->interpreter ? image->interpreter : "";
	/* One component is enough here: "name" becomes "/name". */
	size_t exe_size = image->exe ? strlen(image->exe) + 1 : 0;

	((struct record_header *)record->data)->flags |= RECORD_HAS_IMAGE;
	fixed.string_length[RECORD_STRING_EXE] = (uint32_t)exe_size;
	fixed.string_length[RECORD_STRING_FILENAME] = (uint32_t)strlen(filename);
	fixed.string_length[RECORD_STRING_INTERPRETER] = (uint32_t)strlen(interpreter);
	fixed.string_length[RECORD_STRING_ARGV] = (uint32_t)image->argv_size;
	append(record, &fixed, sizeof fixed);
	append(record, image->exe ? image->exe : "", exe_size);
	append(record, filename, strlen(filename));
	append(record, interpreter, strlen(interpreter));
	append(record, image->argv ? image->argv : "", image->argv_size);
}

void record_build_exec(struct test_observer *observer, struct test_record *record, uint32_t pid,
		       uint64_t start_ns, uint64_t exec_id, const struct test_image *image)
{
	begin(observer, record, RECORD_EXEC);
	append_body(record, pid, start_ns, 1, 0, exec_id, 0);
	append_image(record, image);
}

void record_build_exit(struct test_observer *observer, struct test_record *record, uint32_t pid,
		       uint64_t start_ns, uint32_t code)
{
	struct record_exit exit = {.code = code, .cpu_ns = 5};

	begin(observer, record, RECORD_EXIT);
	append_body(record, pid, start_ns, 1, 0, 1, 0);
	append(record, &exit, sizeof exit);
}

void record_build_existing(struct test_record *record, uint32_t pid, uint64_t start_ns,
			   uint32_t ppid, uint64_t exec_id, uint32_t process_flags)
{
	begin(NULL, record, RECORD_EXISTING);
	append_body(record, pid, start_ns, ppid, 0, exec_id, process_flags);
	append_image(record, &(struct test_image){.exe = "existing", .argv = "e", .argv_size = 2});
}

void record_build_chunk(struct test_observer *observer, struct test_record *record,
			enum record_string string, uint64_t offset, const char *bytes, size_t size)
{
	struct record_chunk chunk = {.string = string, .length = (uint32_t)size, .offset = offset};

	begin(observer, record, RECORD_CHUNK);
	append(record, &chunk, sizeof chunk);
	append(record, bytes, size);
}

void record_build_wide(struct test_observer *observer, struct test_record *record,
		       enum record_kind kind, const struct record_body *body,
		       const struct test_wide_image *image)
{
	struct record_start start = {.creator = body->parent};
	struct record_image fixed = {.missing = image->missing, .thread_pid = body->process.pid};

	begin(observer, record, kind);
	((struct record_header *)record->data)->flags = RECORD_HAS_IMAGE | RECORD_UTF16;
	append(record, body, sizeof *body);
	if (kind == RECORD_START)
		append(record, &start, sizeof start);
	fixed.string_length[RECORD_STRING_EXE] = (uint32_t)image->exe.size;
	fixed.string_length[RECORD_STRING_COMMAND_LINE] = (uint32_t)image->command_line.size;
	fixed.string_length[RECORD_STRING_SID] = (uint32_t)image->sid.size;
	append(record, &fixed, sizeof fixed);
	if (image->exe.size)
		append(record, image->exe.data, image->exe.size);
	if (image->command_line.size)
		append(record, image->command_line.data, image->command_line.size);
	if (image->sid.size)
		append(record, image->sid.data, image->sid.size);
}

void record_build_gap(struct test_record *record, enum record_gap_stage stage,
		      enum record_kind kind, uint64_t count)
{
	struct record_gap gap = {.stage = stage};

	gap.lost[RECORD_LOST_INDEX(kind)] = count;
	begin(NULL, record, RECORD_GAP);
	append(record, &gap, sizeof gap);
}

struct source_record record_lend(const struct test_record *record, uint64_t position)
{
	return (struct source_record){record->data, record->size, position};
}
