/* SPDX-License-Identifier: MIT */
/*
 * What readers and the service say to each other: what is written reads as it was, and nothing else
 * is taken.
 *
 *	test_service_protocol --corpus DIRECTORY	writes seeds for the fuzzer
 */
#include "harness.h"
#include "procobsrv.h"
#include "records.h"
#include "service_protocol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct service_hello hello = {
    .record_version = RECORD_VERSION,
    .kinds = 1u << RECORD_START | 1u << RECORD_EXIT,
    .flags = SERVICE_RESUME,
    .root_pid = 77,
    .cursor = {1, 2, 3, 4, 5, 6},
};

static void write_records(struct buffer *buffer)
{
	struct test_observer observer = {.time_ns = 1000};
	struct service_records batch = {.after = {.epoch = 9, .position = 4711}, .count = 2};
	struct test_record records[2];
	const uint64_t positions[] = {4000, 4200};

	record_build_start(&observer, &records[0], 812, 200, 811, 100);
	record_build_exec(
	    &observer, &records[1], 812, 200, 1,
	    &(struct test_image){.exe = "/bin/odd", .argv = "odd\0one", .argv_size = 8});
	size_t frame = service_write(buffer, SERVICE_RECORDS, &batch, sizeof batch);
	for (int i = 0; i < 2; i++) {
		struct record_header header;
		memcpy(&header, records[i].data, sizeof header);
		header.number = 100 + (uint64_t)i;
		service_write_record(buffer, frame, &positions[i], &header, records[i].data);
	}
}

static void requests_are_read_as_written(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct service_request request;

	(void)state;
	service_write(&buffer, SERVICE_HELLO, &hello, sizeof hello);
	size_t whole = buffer.size;
	service_write(&buffer, SERVICE_BYE, NULL, 0);
	for (size_t size = 0; size < whole; size++)
		assert_int_equal(service_read_request(buffer.data, size, &request), 0);
	assert_int_equal(service_read_request(buffer.data, buffer.size, &request), whole);
	assert_int_equal(request.kind, SERVICE_HELLO);
	assert_memory_equal(&request.body.hello, &hello, sizeof hello);
	assert_int_equal(service_read_request(buffer.data + whole, buffer.size - whole, &request),
			 16);
	assert_int_equal(request.kind, SERVICE_BYE);
	buffer_free(&buffer);
}

/* A frame of which one field is not as it must be. */
static int read_changed(size_t offset, uint32_t value, size_t size)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct service_request request = {.kind = 4444};

	service_write(&buffer, SERVICE_HELLO, &hello, sizeof hello);
	memcpy(buffer.data + offset, &value, size);
	int result = service_read_request(buffer.data, buffer.size, &request);
	assert_true(result > 0 || request.kind == 4444);
	buffer_free(&buffer);
	return result;
}

static void others_are_refused(void **state)
{
	(void)state;
	assert_int_equal(read_changed(0, 0x20544547, 4), PROCOBSRV_ERROR_CORRUPT); /* "GET " */
	assert_int_equal(read_changed(4, 2, 2), PROCOBSRV_ERROR_VERSION);
	assert_int_equal(read_changed(6, 999, 2), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(6, SERVICE_WELCOME, 2), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(8, UINT32_MAX, 4), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(8, SERVICE_REQUEST_MOST + 8, 4), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(8, 8, 4), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(8, 61, 4), PROCOBSRV_ERROR_CORRUPT);
	assert_int_equal(read_changed(8, sizeof hello, 4), 80);
}

static void records_are_read_as_written(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct service_answer answer;
	struct source_record record;
	struct record_view view;
	size_t offset = 0;

	(void)state;
	write_records(&buffer);
	assert_int_equal(service_read_answer(buffer.data, buffer.size, &answer), buffer.size);
	assert_int_equal(answer.kind, SERVICE_RECORDS);
	assert_int_equal(answer.body.records.after.position, 4711);
	assert_int_equal(service_next_record(answer.data, answer.size, true, &offset, &record), 1);
	assert_int_equal(record.position, 4000);
	assert_int_equal(record_decode(record.data, record.size, &view), 0);
	assert_int_equal(view.header->number, 100);
	assert_int_equal(view.header->kind, RECORD_START);
	assert_int_equal(service_next_record(answer.data, answer.size, true, &offset, &record), 1);
	assert_int_equal(record_decode(record.data, record.size, &view), 0);
	assert_int_equal(view.header->number, 101);
	assert_memory_equal(view.strings[RECORD_STRING_ARGV].data, "odd\0one", 8);
	assert_int_equal(service_next_record(answer.data, answer.size, true, &offset, &record), 0);
	buffer_free(&buffer);
}

static void damaged_records_are_refused(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct service_answer answer;
	struct source_record record;

	(void)state;
	write_records(&buffer);
	assert_true(service_read_answer(buffer.data, buffer.size, &answer) > 0);
	char *data = buffer.data + (answer.data - buffer.data);
	for (uint32_t size = 0; size < 200000; size += 7) {
		size_t offset = 0;
		memcpy(data + 8, &size, sizeof size);
		int result = service_next_record(data, answer.size, true, &offset, &record);
		size_t needed = ((size_t)size + 7) / 8 * 8 + 8;
		bool fits = size >= sizeof(struct record_header) && needed <= answer.size;
		assert_int_equal(result, fits ? 1 : PROCOBSRV_ERROR_CORRUPT);
		assert_int_equal(offset, fits ? needed : 0);
	}
	buffer_free(&buffer);
}

static void texts_have_ends(void **state)
{
	struct buffer buffer = BUFFER_EMPTY;
	struct service_answer answer;
	struct service_error error;
	char text[1000];

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	service_write_error(&buffer, PROCOBSRV_ERROR_BUSY, text);
	assert_int_equal(service_read_answer(buffer.data, buffer.size, &answer), buffer.size);
	assert_int_equal(answer.body.error.code, PROCOBSRV_ERROR_BUSY);
	assert_int_equal(strlen(answer.body.error.text), SERVICE_ERROR_TEXT_SIZE - 1);
	memset(&error, 'x', sizeof error);
	buffer.size = 0;
	service_write(&buffer, SERVICE_ERROR, &error, sizeof error);
	assert_int_equal(service_read_answer(buffer.data, buffer.size, &answer),
			 PROCOBSRV_ERROR_CORRUPT);
	buffer_free(&buffer);
}

/* ---- seeds ---- */

static void write_seed(const char *directory, const char *name, const struct buffer *buffer)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(buffer->data, 1, buffer->size, file) != buffer->size || fclose(file)) {
		perror(path);
		exit(1);
	}
}

static int write_corpus(const char *directory)
{
	struct service_snapshot snapshot = {.id = 1};
	struct service_inquiry inquiry = {.id = 2, .flags = SERVICE_SETTLED};
	struct service_welcome welcome = {.rights = SERVICE_RIGHTS_OWN, .backend = "bpf"};
	struct buffer buffer = BUFFER_EMPTY;

	service_write(&buffer, SERVICE_HELLO, &hello, sizeof hello);
	service_write(&buffer, SERVICE_SNAPSHOT, &snapshot, sizeof snapshot);
	service_write(&buffer, SERVICE_STATISTICS, &inquiry, sizeof inquiry);
	service_write(&buffer, SERVICE_BYE, NULL, 0);
	write_seed(directory, "requests", &buffer);
	buffer.size = 0;
	service_write(&buffer, SERVICE_WELCOME, &welcome, sizeof welcome);
	write_records(&buffer);
	service_write_error(&buffer, PROCOBSRV_ERROR_PERMISSION, "no");
	write_seed(directory, "answers", &buffer);
	buffer_free(&buffer);
	return 0;
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_are_read_as_written),
	    cmocka_unit_test(others_are_refused),
	    cmocka_unit_test(records_are_read_as_written),
	    cmocka_unit_test(damaged_records_are_refused),
	    cmocka_unit_test(texts_have_ends),
	};

	if (count == 3 && !strcmp(arguments[1], "--corpus"))
		return write_corpus(arguments[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
