/* SPDX-License-Identifier: MIT */
#include "queue_records.h"
#include "ground.h"
#include "harness.h"
#include "procobsrv.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t number)
{
	number = (number + 1) * 0x9e3779b97f4a7c15u;
	number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
	return number ^ number >> 27;
}

uint16_t number_kind(uint64_t number)
{
	return (uint16_t)(RECORD_START + mix(number) % RECORD_LOST_KINDS);
}

uint32_t number_size(uint64_t number)
{
	/* Of any remainder by eight, and now and then as large as a record may be. */
	uint64_t random = mix(number) >> 8;

	return random % 4096 == 0 ? RECORD_SIZE_MAX
				  : (uint32_t)(sizeof(struct record_header) + random % 400);
}

void number_record(uint64_t number, void *memory)
{
	struct record_header header = {
	    .size = number_size(number),
	    .version = RECORD_VERSION,
	    .kind = number_kind(number),
	    .cpu = (uint32_t)(number % 5),
	    .number = number,
	    .time_ns = 1000 + number,
	};

	memset(memory, (int)(mix(number) & 0xff), header.size);
	memcpy(memory, &header, sizeof(header));
	if (header.size > sizeof(header))
		((char *)memory)[header.size - 1] = (char)number;
}

void feed(struct feeder *feeder, size_t count)
{
	static _Thread_local _Alignas(8) char memory[4 * RECORD_SIZE_MAX];
	struct source_record records[FEED_MOST];
	struct source_batch batch = {.stream = feeder->stream, .records = records};
	size_t used = 0;

	while (count > 0) {
		batch.count = 0;
		for (used = 0; count > 0 && batch.count < FEED_MOST &&
			       used + RECORD_SIZE_MAX <= sizeof(memory);
		     count--) {
			struct source_record *record = &records[batch.count++];

			number_record(feeder->next, memory + used);
			record->data = memory + used;
			record->size = number_size(feeder->next++);
			record->position = feeder->position;
			feeder->position += record->size;
			used += (record->size + 7u) / 8 * 8;
		}
		batch.resume = feeder->position;
		queue_append(feeder->queue, &batch);
	}
}

/* Holds a gap against the numbers that did not come. */
static void check_gap(struct account *account, uint64_t end)
{
	uint64_t missing[RECORD_LOST_KINDS] = {0};
	uint64_t first = account->next;

	for (; account->next < end; account->next++) {
		missing[RECORD_LOST_INDEX(number_kind(account->next))]++;
		account->position += number_size(account->next);
	}
	if (!account->in_gap) {
		assert_int_equal(first, end);
		return;
	}
	assert_memory_equal(account->gap.lost, missing, sizeof(missing));
	assert_int_equal(account->gap.unknown, 0);
	assert_int_equal(account->gap.from_ns, 1000 + first);
	assert_int_equal(account->gap.to_ns, 1000 + end - 1);
	account->in_gap = false;
}

static void account_gap(struct account *account, const struct source_record *record)
{
	assert_int_equal(record->size, sizeof(struct record_header) + sizeof(account->gap));
	assert_int_equal(record->position, account->position);
	assert_false(account->in_gap); /* one gap for one hole */
	memcpy(&account->gap, (const struct record_header *)record->data + 1, sizeof(account->gap));
	account->in_gap = true;
	account->gaps++;
	for (int i = 0; i < RECORD_LOST_KINDS; i++) {
		account->told[i] += account->gap.lost[i];
		account->lost += account->gap.lost[i];
	}
}

void account_record(struct account *account, const struct source_record *record)
{
	static _Thread_local _Alignas(8) char expected[RECORD_SIZE_MAX];
	const struct record_header *header = record->data;

	assert_int_equal((uintptr_t)record->data % 8, 0);
	if (header->kind == RECORD_GAP) {
		account_gap(account, record);
		return;
	}
	check_gap(account, header->number);
	number_record(header->number, expected);
	assert_int_equal(record->size, number_size(header->number));
	assert_int_equal(record->position, account->position);
	/* memcmp first: the assertion alone would take most of the time. */
	if (memcmp(record->data, expected, record->size) != 0)
		assert_memory_equal(record->data, expected, record->size);
	account->next++;
	account->position += record->size;
	account->records++;
}

void account_batch(struct account *account, const struct queue_batch *batch)
{
	assert_true(batch->count > 0);
	for (size_t i = 0; i < batch->count; i++)
		account_record(account, &batch->records[i]);
	if (!account->in_gap)
		assert_int_equal(batch->resume, account->position);
	else
		assert_true(batch->resume >= account->position);
}

void account_end(struct account *account, uint64_t end)
{
	check_gap(account, end);
	assert_int_equal(account->next, end);
	assert_int_equal(account->records + account->lost, end);
}

int drain(struct queue *queue, struct account *account)
{
	struct queue_batch batch;
	int code;

	while ((code = queue_take(queue, 0, 100, &batch)) == 0)
		account_batch(account, &batch);
	return code;
}

static int count_file(const char *path, void *param)
{
	(void)path;
	++*(size_t *)param;
	return 0;
}

size_t directory_count(const char *directory)
{
	size_t count = 0;

	assert_int_equal(os_directory_visit(directory, "procobsrv-spill-", count_file, &count), 0);
	return count;
}

struct queue *make_spilling_queue(const char *directory, uint64_t spill_size)
{
	const struct queue_options options = {
	    .memory_size = QUEUE_MEMORY,
	    .spill = true,
	    .spill_directory = directory,
	    .spill_keep = true,
	    .spill_size = spill_size,
	};
	struct queue *queue = NULL;

	assert_int_equal(queue_create(&options, &queue), 0);
	return queue;
}

struct queue_statistics statistics_of(struct queue *queue)
{
	struct queue_statistics statistics;

	queue_statistics(queue, &statistics);
	return statistics;
}

void check_unusable_directory(const char *directory, int error)
{
	struct feeder feeder = {.queue = make_spilling_queue(directory, 1 << 30)};
	struct account account = {0};

	for (int i = 0; i < 60; i++)
		feed(&feeder, 50);
	drain(feeder.queue, &account);
	feed(&feeder, 50);
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	assert_int_equal(account.gap.stage, RECORD_GAP_SPILL);
	assert_int_equal(account.gap.detail, error);
	queue_destroy(feeder.queue);
}
