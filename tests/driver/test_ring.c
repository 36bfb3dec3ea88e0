/* SPDX-License-Identifier: MIT */
/* The ring and the records in it: positions, eviction, wrapping, and that every byte is written. */
#include "driver_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE RING_SIZE_MIN

static void begin(struct ring *ring, int fill)
{
	void *bytes = malloc(SIZE);

	memset(bytes, fill, SIZE);
	ring_init(ring, bytes, SIZE, 7);
}

static void end(struct ring *ring)
{
	free(ring->bytes);
}

static void sizes_are_powers_of_two(void **state)
{
	(void)state;
	assert_int_equal(ring_size(0), RING_SIZE_DEFAULT);
	assert_int_equal(ring_size(1), RING_SIZE_MIN);
	assert_int_equal(ring_size(RING_SIZE_MIN), RING_SIZE_MIN);
	assert_int_equal(ring_size(RING_SIZE_MIN + 1), 2 * RING_SIZE_MIN);
	assert_int_equal(ring_size(5000000), 8u << 20);
	assert_int_equal(ring_size(UINT64_MAX), RING_SIZE_MAX);
}

static void no_stream_is_zero(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring, NULL, SIZE, 0);
	assert_int_not_equal(ring.stream, 0);
}

/* A model of what the ring must hold: the size and kind of each record by number. */
#define COUNT 40000

struct written {
	uint64_t position;
	uint32_t size;
	uint16_t kind;
};

static void check_kept(const struct ring *ring, const struct written *records, uint64_t count)
{
	uint64_t evicted[RECORD_LOST_KINDS] = {0};
	uint64_t number = 1;

	for (; records[number].position < ring->tail; number++)
		evicted[RECORD_LOST_INDEX(records[number].kind)]++;
	assert_memory_equal(evicted, ring->evicted, sizeof evicted);
	assert_int_equal(records[number].position, ring->tail);
	for (; number <= count; number++) {
		struct record_header header;
		ring_read_header(ring, records[number].position, &header);
		assert_int_equal(header.number, number);
		assert_int_equal(header.size, records[number].size);
		assert_int_equal(header.kind, records[number].kind);
	}
}

static void keeps_the_newest_and_counts_the_rest(void **state)
{
	static struct written records[COUNT + 1];
	struct observation observation;
	struct ring ring;

	(void)state;
	begin(&ring, 0);
	srand(1);
	for (uint32_t number = 1; number <= COUNT; number++) {
		enum record_kind kind = rand() % 3 ? RECORD_START : RECORD_EXIT;
		make_observation(&observation, kind, (uint32_t)rand() % 100000 + 1);
		records[number].position = ring.head;
		records[number].kind = (uint16_t)kind;
		record_write(&ring, &observation, number);
		records[number].size = (uint32_t)(ring.head - records[number].position);
		assert_int_equal(records[number].size % 8, 0);
		assert_in_range(ring.head - ring.tail, 1, SIZE);
		/* No more is evicted than has to be. */
		if (ring.tail)
			assert_true(SIZE - (ring.head - ring.tail) < 2048);
		if (number % 4001 == 0)
			check_kept(&ring, records, number);
	}
	assert_int_equal(ring.number, COUNT);
	assert_int_equal(ring.written[0] + ring.written[3], COUNT);
	check_kept(&ring, records, COUNT);
	assert_true(ring.head > 20 * (uint64_t)SIZE);
	end(&ring);
}

/* The record must not depend on what the memory held. */
static void every_byte_is_written(void **state)
{
	static uint8_t one[RECORD_SIZE_MAX], other[RECORD_SIZE_MAX];
	struct observation observation;
	struct ring zeros, ones;

	(void)state;
	begin(&zeros, 0x00);
	begin(&ones, 0xff);
	for (uint32_t pid = 1; pid < 2000; pid++) {
		uint64_t position = zeros.head;
		make_observation(&observation, pid % 3 ? RECORD_START : RECORD_EXIT, pid);
		record_write(&zeros, &observation, pid);
		record_write(&ones, &observation, pid);
		uint32_t size = (uint32_t)(zeros.head - position);
		assert_int_equal(ones.head, zeros.head);
		ring_read(&zeros, position, one, size);
		ring_read(&ones, position, other, size);
		assert_memory_equal(one, other, size);
	}
	end(&zeros);
	end(&ones);
}

/* A record that begins any number of words before the end of the memory is the same record. */
static void records_lie_across_the_end(void **state)
{
	static uint8_t expected[RECORD_SIZE_MAX], found[RECORD_SIZE_MAX];
	struct observation observation;
	struct ring ring;

	(void)state;
	for (uint32_t pid = 40; pid < 42; pid++) {
		make_observation(&observation, pid % 2 ? RECORD_EXIT : RECORD_START, pid);
		begin(&ring, 0x55);
		record_write(&ring, &observation, 5);
		uint32_t size = (uint32_t)ring.head;
		ring_read(&ring, 0, expected, size);
		end(&ring);
		for (uint32_t before = 0; before <= size; before += 8) {
			begin(&ring, 0x55);
			ring.head = ring.tail = 3 * (uint64_t)SIZE - before;
			record_write(&ring, &observation, 5);
			ring_read(&ring, ring.tail, found, size);
			assert_memory_equal(found, expected, size);
			end(&ring);
		}
	}
}

struct start_record {
	struct record_header header;
	struct record_body body;
	struct record_start start;
	struct record_image image;
	uint8_t strings[RECORD_SIZE_MAX];
};

static void read_start(const struct ring *ring, struct start_record *record)
{
	uint64_t position = 0;
	struct record_header header = {0};

	for (position = ring->tail; position < ring->head; position += header.size)
		ring_read_header(ring, position, &header);
	memset(record, 0, sizeof *record);
	ring_read(ring, position - header.size, record, header.size);
}

static unsigned missing(const struct start_record *record, enum record_string string)
{
	return record->image.missing >> RECORD_MISSING_SHIFT(string) & 0xf;
}

static void write_long(struct ring *ring, struct start_record *record, uint32_t exe, uint32_t line,
		       uint32_t sid)
{
	static uint16_t units[40000];
	struct observation observation;

	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		units[i] = (uint16_t)(i + 1);
	make_observation(&observation, RECORD_START, 5);
	observation.exe = (struct observed_text){units, exe, RECORD_WHOLE};
	observation.command_line = (struct observed_text){units, line, RECORD_WHOLE};
	observation.sid = (struct observed_text){units, sid, RECORD_WHOLE};
	record_write(ring, &observation, 9);
	read_start(ring, record);
}

static void long_strings_are_cut_and_marked(void **state)
{
	static struct start_record record;
	struct ring ring;

	(void)state;
	begin(&ring, 0x55);
	write_long(&ring, &record, 65534, 65534, 65534);
	assert_int_equal(record.header.size, RECORD_SIZE_MAX);
	assert_int_equal(record.image.string_length[RECORD_STRING_EXE], WRITER_EXE_SIZE_MAX);
	assert_int_equal(record.image.string_length[RECORD_STRING_SID], WRITER_SID_SIZE_MAX);
	assert_int_equal(missing(&record, RECORD_STRING_EXE), RECORD_MISSING_TRUNCATED);
	assert_int_equal(missing(&record, RECORD_STRING_SID), RECORD_MISSING_TRUNCATED);
	assert_int_equal(missing(&record, RECORD_STRING_COMMAND_LINE), RECORD_MISSING_TRUNCATED);
	uint32_t sum = 0;
	for (int i = 0; i < RECORD_STRING_COUNT; i++)
		sum += record.image.string_length[i];
	assert_int_equal(sum, RECORD_SIZE_MAX - (sizeof record - sizeof record.strings));

	/* What just fits is whole, one unit more is not. */
	write_long(&ring, &record, WRITER_EXE_SIZE_MAX, 100, WRITER_SID_SIZE_MAX);
	assert_int_equal(missing(&record, RECORD_STRING_EXE), RECORD_WHOLE);
	assert_int_equal(missing(&record, RECORD_STRING_SID), RECORD_WHOLE);
	write_long(&ring, &record, WRITER_EXE_SIZE_MAX + 2, 100, 0);
	assert_int_equal(missing(&record, RECORD_STRING_EXE), RECORD_MISSING_TRUNCATED);
	assert_int_equal(record.image.string_length[RECORD_STRING_COMMAND_LINE], 100);
	end(&ring);
}

static void strings_come_in_the_order_of_the_record(void **state)
{
	static struct start_record record;
	struct ring ring;

	(void)state;
	begin(&ring, 0x55);
	write_long(&ring, &record, 10, 7, 4); /* half a unit is none */
	assert_int_equal(record.image.string_length[RECORD_STRING_COMMAND_LINE], 6);
	static const uint16_t expected[] = {1, 2, 3, 4, 5, 1, 2, 3, 1, 2, 0, 0};
	assert_memory_equal(record.strings, expected, sizeof expected);
	assert_int_equal(record.header.size, sizeof record - sizeof record.strings + 24);
	assert_int_equal(missing(&record, RECORD_STRING_ARGV), RECORD_MISSING_NOT_TAKEN);
	assert_int_equal(missing(&record, RECORD_STRING_CWD), RECORD_MISSING_NOT_TAKEN);
	assert_int_equal(record.body.credentials.uid, RECORD_ID_UNKNOWN);
	assert_int_equal(record.body.process_flags, RECORD_PROCESS_NO_CREDENTIALS);
	end(&ring);
}

static void a_missing_string_says_why(void **state)
{
	static struct start_record record;
	struct observation observation;
	struct ring ring;

	(void)state;
	begin(&ring, 0x55);
	make_observation(&observation, RECORD_START, 5);
	observation.exe = (struct observed_text){.missing = RECORD_MISSING_TOO_LATE};
	observation.command_line = (struct observed_text){.missing = RECORD_MISSING_NOT_TAKEN};
	record_write(&ring, &observation, 9);
	read_start(&ring, &record);
	assert_int_equal(missing(&record, RECORD_STRING_EXE), RECORD_MISSING_TOO_LATE);
	assert_int_equal(missing(&record, RECORD_STRING_COMMAND_LINE), RECORD_MISSING_NOT_TAKEN);
	assert_int_equal(missing(&record, RECORD_STRING_SID), RECORD_WHOLE);
	end(&ring);
}

static void no_process_ends_before_it_began(void **state)
{
	struct observation observation;
	struct record_header header;
	struct ring ring;

	(void)state;
	begin(&ring, 0);
	make_observation(&observation, RECORD_EXIT, 5);
	observation.process.start_ns = 1000;
	record_write(&ring, &observation, 900);
	ring_read_header(&ring, 0, &header);
	assert_int_equal(header.time_ns, 1000);
	record_write(&ring, &observation, 1100);
	ring_read_header(&ring, header.size, &header);
	assert_int_equal(header.time_ns, 1100);
	end(&ring);
}

/* Strings that lie across the end of the ring, from memory that only os_copy_pageable() may touch.
 */
static void pageable_strings_are_only_copied(void **state)
{
	static uint16_t units[20000];
	static struct start_record record;
	struct observation observation;
	struct ring ring;

	(void)state;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		units[i] = (uint16_t)i;
	const void *guarded = host_pageable(units, sizeof units);
	begin(&ring, 0);
	for (int i = 0; i < 50; i++) {
		make_observation(&observation, RECORD_START, 5);
		observation.command_line =
		    (struct observed_text){guarded, sizeof units, RECORD_WHOLE};
		record_write(&ring, &observation, 9);
		read_start(&ring, &record);
		assert_memory_equal(record.strings + 6, units, sizeof units);
	}
	host_pageable(NULL, 0);
	end(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes_are_powers_of_two),
	    cmocka_unit_test(no_stream_is_zero),
	    cmocka_unit_test(keeps_the_newest_and_counts_the_rest),
	    cmocka_unit_test(every_byte_is_written),
	    cmocka_unit_test(records_lie_across_the_end),
	    cmocka_unit_test(long_strings_are_cut_and_marked),
	    cmocka_unit_test(strings_come_in_the_order_of_the_record),
	    cmocka_unit_test(a_missing_string_says_why),
	    cmocka_unit_test(no_process_ends_before_it_began),
	    cmocka_unit_test(pageable_strings_are_only_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
