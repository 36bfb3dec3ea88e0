/* SPDX-License-Identifier: MIT */
/* Left-over spill files: every way in which they can be short, damaged, or not ours. */
#include "checksum.h"
#include "ground.h"
#include "harness.h"
#include "procobsrv.h"
#include "queue_records.h"
#include "spill.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS 12

static void test_checksum(void **state)
{
	char bytes[100];
	uint32_t whole;

	(void)state;
	/* The check value that catalogues of CRCs give for this one. */
	assert_int_equal(checksum_add(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(checksum_add(0, "", 0), 0);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 37);
	whole = checksum_add(0, bytes, sizeof(bytes));
	for (size_t cut = 0; cut <= sizeof(bytes); cut++)
		assert_int_equal(
		    checksum_add(checksum_add(0, bytes, cut), bytes + cut, sizeof(bytes) - cut),
		    whole);
}

/* Leaves a few small blocks on disk. */
static int play_leaving(const char *directory)
{
	const struct queue_options options = {
	    .spill = true, .spill_directory = directory, .spill_keep = true, .spill_size = 1 << 30};
	struct feeder feeder = {.stream = 5};
	uint64_t position;

	if (queue_create(&options, &feeder.queue))
		return 1;
	for (int i = 0; i < 3; i++) {
		feed(&feeder, RECORDS / 3);
		if (queue_persist(feeder.queue, &position))
			return 1;
	}
	be_killed();
}

/* The bytes of the file that such a process leaves. */
static char *leave_file(const char *directory, size_t *size)
{
	struct spill_leftover *leftovers;
	struct os_file *file;
	uint64_t file_size;
	uint32_t process;
	char *bytes;
	size_t count;

	assert_int_equal(role_run("leaving", directory, &process), ROLE_KILLED);
	assert_int_equal(spill_leftovers(directory, &leftovers, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(leftovers[0].process, process);
	assert_int_equal(leftovers[0].order, 1);
	assert_int_equal(os_file_adopt(leftovers[0].path, &file), 0);
	assert_int_equal(os_file_size(file, &file_size), 0);
	bytes = malloc((size_t)file_size);
	assert_int_equal(os_file_read(file, 0, bytes, (size_t)file_size), 0);
	os_file_close(file, true);
	spill_leftovers_free(leftovers, count);
	*size = (size_t)file_size;
	return bytes;
}

/* Opens and reads all; gives the last code, and how many records came out whole. */
static int read_file(const char *path, size_t *records, bool *cut_short)
{
	struct account account = {0};
	struct spill_reader *reader;
	struct source_batch batch;
	int code = spill_reader_open(path, &reader);

	*records = 0;
	*cut_short = false;
	if (code)
		return code;
	while ((code = spill_reader_next(reader, &batch)) == 0) {
		assert_int_equal(batch.stream, 5);
		for (size_t i = 0; i < batch.count; i++)
			account_record(&account, &batch.records[i]);
		assert_int_equal(batch.resume, account.position);
	}
	if (code == PROCOBSRV_ERROR_CORRUPT) {
		assert_non_null(strstr(procobsrv_explain(), strrchr(path, '/') + 1));
		assert_non_null(strstr(procobsrv_explain(), "offset"));
		assert_int_equal(spill_reader_next(reader, &batch), code); /* stays so */
	}
	*cut_short = spill_reader_cut_short(reader);
	*records = account.records;
	spill_reader_close(reader, false);
	return code;
}

struct fixture {
	char *directory;
	char path[600];
	char *bytes;
	size_t size;
};

static struct fixture make_fixture(void)
{
	struct fixture fixture = {.directory = directory_make()};

	fixture.bytes = leave_file(fixture.directory, &fixture.size);
	snprintf(fixture.path, sizeof(fixture.path), "%s/" SPILL_PREFIX "test", fixture.directory);
	return fixture;
}

static void free_fixture(struct fixture *fixture)
{
	file_remove(fixture->path);
	directory_remove(fixture->directory);
	free(fixture->bytes);
}

static void test_whole(void **state)
{
	struct fixture fixture = make_fixture();
	struct spill_reader *reader;
	char boot[37] = "";
	size_t records;
	bool cut_short;

	(void)state;
	file_write_private(fixture.path, fixture.bytes, fixture.size);
	assert_int_equal(read_file(fixture.path, &records, &cut_short), PROCOBSRV_ERROR_ENDED);
	assert_int_equal(records, RECORDS);
	assert_false(cut_short);
	assert_int_equal(spill_reader_open(fixture.path, &reader), 0);
	os_boot_id(boot);
	assert_string_equal(spill_reader_header(reader)->boot, boot);
	assert_int_equal(spill_reader_header(reader)->version, SPILL_VERSION);
	spill_reader_close(reader, true);
	assert_int_equal(read_file(fixture.path, &records, &cut_short), PROCOBSRV_ERROR_NOT_FOUND);
	spill_reader_close(NULL, true);
	free_fixture(&fixture);
}

/* Cut anywhere: what comes before is whole, and the cut is told as one. */
static void test_cut(void **state)
{
	struct fixture fixture = make_fixture();
	size_t before = 0;

	(void)state;
	for (size_t size = 0; size < fixture.size; size++) {
		size_t records;
		bool cut_short;
		int code;

		file_write_private(fixture.path, fixture.bytes, size);
		code = read_file(fixture.path, &records, &cut_short);
		if (code == PROCOBSRV_ERROR_ENDED) /* just between two blocks */
			assert_false(cut_short);
		else
			assert_true(code == PROCOBSRV_ERROR_CORRUPT && cut_short);
		assert_true(records >= before && records < RECORDS);
		before = records;
	}
	assert_int_equal(before, RECORDS / 3 * 2);
	free_fixture(&fixture);
}

/* Every bit that can be wrong is noticed; what comes before it is right. */
static void test_damaged(void **state)
{
	struct fixture fixture = make_fixture();

	(void)state;
	for (size_t bit = 0; bit < fixture.size * 8; bit += bit < 4096 ? 1 : 5) {
		size_t records;
		bool cut_short;
		int code;

		fixture.bytes[bit / 8] ^= (char)(1 << bit % 8);
		file_write_private(fixture.path, fixture.bytes, fixture.size);
		code = read_file(fixture.path, &records, &cut_short);
		if (code != PROCOBSRV_ERROR_VERSION)
			assert_int_equal(code, PROCOBSRV_ERROR_CORRUPT);
		else
			assert_true(bit / 8 >= 8 && bit / 8 < 12);
		assert_true(records <= RECORDS / 3 * 2);
		fixture.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	free_fixture(&fixture);
}

/* Whoever can write checksums still cannot make a reader leave the block. */
static void test_forged_entries(void **state)
{
	static const uint32_t offsets[] = {1, 4, 0x7fffff8, 0xfffffff8, 0xffffffff};
	static const uint32_t sizes[] = {0,	    1, 47, RECORD_SIZE_MAX, RECORD_SIZE_MAX + 1,
					 0xffffffff};
	struct spill_block_header header = {
	    .magic = SPILL_BLOCK_MAGIC,
	    .size = sizeof(header) + sizeof(struct spill_entry) + 64,
	    .count = 1,
	};
	struct spill_entry entry = {.size = 64};
	char *memory = malloc(SPILL_MEMORY(&header));
	char *payload = memory + SPILL_MEMORY_OFFSET(&header);
	size_t payload_size = sizeof(entry) + 64;

	(void)state;
	assert_true(spill_block_header_valid(&header));
	for (size_t i = 0; i <= 5 + 6; i++) {
		entry = (struct spill_entry){.size = 64};
		if (i >= 1 && i <= 5)
			entry.offset = offsets[i - 1];
		else if (i > 5)
			entry.size = sizes[i - 6];
		memset(payload, 0, payload_size);
		memcpy(payload, &entry, sizeof(entry));
		header.checksum = 0;
		header.checksum =
		    checksum_add(checksum_add(0, &header, sizeof(header)), payload, payload_size);
		assert_int_equal(spill_block_open(&header, memory) != 0, i != 0);
	}
	header.count = 2;
	assert_false(spill_block_header_valid(&header));
	header.count = 0;
	assert_false(spill_block_header_valid(&header));
	header.count = 1;
	header.size = 0xfffffff8;
	assert_false(spill_block_header_valid(&header));
	free(memory);
}

static void test_other_version(void **state)
{
	struct fixture fixture = make_fixture();
	size_t records;
	bool cut_short;

	(void)state;
	fixture.bytes[8] = 99;
	file_write_private(fixture.path, fixture.bytes, fixture.size);
	assert_int_equal(read_file(fixture.path, &records, &cut_short), PROCOBSRV_ERROR_VERSION);
	assert_non_null(strstr(procobsrv_explain(), "format 99"));
	free_fixture(&fixture);
}

/* Files that others might have planted, or that live, are not touched. */
static void test_not_ours(void **state)
{
	struct fixture fixture = make_fixture();
	struct spill_leftover *leftovers;
	struct spill_reader *reader, *second;
	char other[700];
	size_t count;

	(void)state;
	file_write_private(fixture.path, fixture.bytes, fixture.size);
	file_make_public(fixture.path);
	assert_int_equal(spill_reader_open(fixture.path, &reader), PROCOBSRV_ERROR_PERMISSION);
	assert_int_equal(spill_leftovers(fixture.directory, &leftovers, &count), 0);
	assert_int_equal(count, 0);
	file_make_private(fixture.path);

	snprintf(other, sizeof(other), "%s2", fixture.path);
	file_link(fixture.path, other);
	assert_int_equal(spill_reader_open(fixture.path, &reader), PROCOBSRV_ERROR_PERMISSION);
	file_remove(other);
	for (unsigned way = 0; file_plant(other, fixture.path, way); way++) {
		assert_true(spill_reader_open(other, &reader) < 0);
		file_remove(other);
	}

	assert_int_equal(spill_reader_open(fixture.path, &reader), 0);
	assert_int_equal(spill_reader_open(fixture.path, &second), PROCOBSRV_ERROR_BUSY);
	assert_int_equal(spill_leftovers(fixture.directory, &leftovers, &count), 0);
	assert_int_equal(count, 0);
	spill_reader_close(reader, false);
	assert_int_equal(spill_leftovers(fixture.directory, &leftovers, &count), 0);
	assert_int_equal(count, 1);
	spill_leftovers_free(leftovers, count);
	assert_int_equal(spill_leftovers(ground_missing_directory, &leftovers, &count),
			 PROCOBSRV_ERROR_NOT_FOUND);
	free_fixture(&fixture);
}

/* Listed in the order in which they were written, whatever they are called. */
static void test_order(void **state)
{
	struct fixture fixture = make_fixture();
	struct spill_file_header *header = (struct spill_file_header *)fixture.bytes;
	struct spill_leftover *leftovers;
	uint64_t generation = header->generation;
	char paths[6][700];
	size_t count;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s-%u", fixture.path, i * 5 % 6);
		header->generation = generation + i / 3;
		header->order = i % 3 + 1;
		file_write_private(paths[i], fixture.bytes, i == 5 ? 0 : fixture.size);
	}
	assert_int_equal(spill_leftovers(fixture.directory, &leftovers, &count), 0);
	assert_int_equal(count, 6);
	assert_int_equal(leftovers[0].process, 0); /* died before it wrote anything */
	for (size_t i = 1; i < 6; i++) {
		assert_int_equal(leftovers[i].generation, generation + (i - 1) / 3);
		assert_int_equal(leftovers[i].order, (i - 1) % 3 + 1);
	}
	spill_leftovers_free(leftovers, count);
	for (unsigned i = 0; i < 6; i++)
		file_remove(paths[i]);
	free_fixture(&fixture);
}

int main(int argc, char **argv)
{
	static const struct role roles[] = {{"leaving", play_leaving}, {NULL, NULL}};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_checksum),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_forged_entries),
	    cmocka_unit_test(test_other_version),
	    cmocka_unit_test(test_not_ours),
	    cmocka_unit_test(test_order),
	};

	role_play_if_asked(argc, argv, roles);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
