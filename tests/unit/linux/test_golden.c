/* SPDX-License-Identifier: MIT */
/*
 * Records as kernels have written them, decoded and told as JSON: the bytes are in tests/golden,
 * the lines that they must become beside them.
 *
 *	test_golden DIRECTORY		compares
 *	test_golden --write DIRECTORY	writes the lines anew
 *
 * Devices of Windows have no other name on this system, so that exe is not mapped in any of them.
 */
#include "dispatch.h"
#include "format.h"
#include "harness.h"
#include "observer/windows/ioctl.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From the boot clock of the machine where those of Linux were taken to the wall clock. */
#define LINUX_BOOT_NS INT64_C(1795377000000000000)

struct golden {
	const char *name;
	size_t begin; /* bytes before the first record */
	int64_t wall_offset_ns;
};

static const struct golden golden_files[] = {
    {"linux-life", 0, LINUX_BOOT_NS},
    {"linux-chunks", 0, LINUX_BOOT_NS},
    {"windows-start", 0, 0},
    {"windows-start-plain", 0, 0},
    {"windows-start-small", 0, 0},
    {"windows-start-hostile", 0, 0},
    {"windows-start-truncated", 0, 0},
    {"windows-exit", 0, 0},
    {"windows-exit-unknown", 0, 0},
    {"windows-lost", 0, 0},
    {"windows-batch", sizeof(struct ioctl_batch), 0},
};

static const char *directory;

static bool read_whole(const char *name, const char *suffix, struct buffer *bytes)
{
	char path[4096];
	char block[4096];
	size_t size;

	snprintf(path, sizeof path, "%s/%s%s", directory, name, suffix);
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return false;
	}
	while ((size = fread(block, 1, sizeof block, file)) > 0)
		buffer_append(bytes, block, size);
	bool whole = !ferror(file);
	fclose(file);
	return whole;
}

static void write_event(struct event *event, void *param)
{
	format_json_event(param, &event->public);
	procobsrv_event_unref(&event->public);
}

/* Feeds each record from memory of its own size, so that a sanitizer sees a read beyond it. */
static void feed(struct dispatch *dispatch, const struct buffer *bytes, size_t begin)
{
	while (bytes->data && begin + sizeof(struct record_header) <= bytes->size) {
		struct record_header header;

		memcpy(&header, bytes->data + begin, sizeof header);
		if (header.size < sizeof header || header.size > bytes->size - begin)
			break;
		char *data = malloc(header.size);
		memcpy(data, bytes->data + begin, header.size);
		struct source_record record = {data, header.size, begin};
		dispatch_record(dispatch, 1, &record);
		free(data);
		begin += (header.size + 7) & ~(size_t)7;
	}
	if (begin != bytes->size)
		fail_msg("%zu bytes are left over", bytes->size - begin);
}

static void tell(const struct golden *golden, struct buffer *lines)
{
	struct buffer bytes = BUFFER_EMPTY;
	struct dispatch dispatch;

	assert_true(read_whole(golden->name, ".bin", &bytes));
	assert_int_equal(dispatch_init(&dispatch), 0);
	memcpy(dispatch.context.boot, "01234567", 8);
	dispatch.context.wall_offset_ns = golden->wall_offset_ns;
	dispatch.kinds = PROCOBSRV_KINDS_ALL;
	dispatch.deliver = write_event;
	dispatch.param = lines;
	feed(&dispatch, &bytes, golden->begin);
	dispatch_free(&dispatch);
	buffer_free(&bytes);
	assert_false(lines->failed);
}

static void expect_golden(const struct golden *golden)
{
	struct buffer lines = BUFFER_EMPTY, expected = BUFFER_EMPTY;
	size_t line = 1, at = 0;

	tell(golden, &lines);
	assert_true(read_whole(golden->name, ".jsonl", &expected));
	while (at < lines.size && at < expected.size && lines.data[at] == expected.data[at])
		line += lines.data[at++] == '\n';
	if (at < lines.size || at < expected.size)
		fail_msg("%s: line %zu is not what was expected from here on: %.*s", golden->name,
			 line, (int)(lines.size - at < 200 ? lines.size - at : 200),
			 lines.data + at);
	buffer_free(&expected);
	buffer_free(&lines);
}

static void decodes_linux(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof golden_files / sizeof golden_files[0]; i++)
		if (!strncmp(golden_files[i].name, "linux", 5))
			expect_golden(&golden_files[i]);
}

static void decodes_windows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof golden_files / sizeof golden_files[0]; i++)
		if (!strncmp(golden_files[i].name, "windows", 7))
			expect_golden(&golden_files[i]);
}

/* Each line by itself, as readers do it. */
static void is_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof golden_files / sizeof golden_files[0]; i++) {
		struct buffer lines = BUFFER_EMPTY;
		size_t count = 0;

		tell(&golden_files[i], &lines);
		for (char *line = lines.data, *end; line < lines.data + lines.size;
		     line = end + 1, count++) {
			json_error_t error;
			end = memchr(line, '\n', (size_t)(lines.data + lines.size - line));
			assert_non_null(end);
			json_t *root =
			    json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &error);
			if (!root)
				fail_msg("%s: %s", golden_files[i].name, error.text);
			assert_true(json_is_object(json_object_get(root, "process")) ||
				    json_object_get(root, "count"));
			json_decref(root);
		}
		assert_true(count > 0);
		buffer_free(&lines);
	}
}

static int write_lines(void)
{
	for (size_t i = 0; i < sizeof golden_files / sizeof golden_files[0]; i++) {
		struct buffer lines = BUFFER_EMPTY;
		char path[4096];

		tell(&golden_files[i], &lines);
		snprintf(path, sizeof path, "%s/%s.jsonl", directory, golden_files[i].name);
		FILE *file = fopen(path, "wb");
		if (!file || fwrite(lines.data, 1, lines.size, file) != lines.size || fclose(file))
			return perror(path), 1;
		buffer_free(&lines);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_linux),
	    cmocka_unit_test(decodes_windows),
	    cmocka_unit_test(is_json),
	};

	if (argc < 2)
		return fprintf(stderr, "usage: test_golden [--write] DIRECTORY\n"), 2;
	directory = argv[argc - 1];
	if (!strcmp(argv[1], "--write"))
		return write_lines();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
