/* SPDX-License-Identifier: MIT */
/* The queue in memory: order, loans, gaps, waiting. */
#include "ground.h"
#include "harness.h"
#include "procobsrv.h"
#include "queue.h"
#include "queue_records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_MEMORY 1 /* raised to the least that a queue takes */

static struct queue *make_queue(uint64_t memory_size, struct os_event *readable)
{
	const struct queue_options options = {.memory_size = memory_size, .readable = readable};
	struct queue *queue = NULL;

	assert_int_equal(queue_create(&options, &queue), 0);
	return queue;
}

/* One record that a test fills by itself. */
static void append_one(struct queue *queue, const void *record, uint32_t size, uint64_t position)
{
	struct source_record entry = {record, size, position};
	struct source_batch batch = {1, &entry, 1, position + size};

	queue_append(queue, &batch);
}

static void test_order(void **state)
{
	struct feeder feeder = {.queue = make_queue(4 << 20, NULL), .stream = 7};
	struct account account = {0};
	struct queue_batch batch;

	(void)state;
	assert_int_equal(queue_take(feeder.queue, 0, 1, &batch), PROCOBSRV_ERROR_TIMEOUT);
	feed(&feeder, 10);
	assert_int_equal(statistics_of(feeder.queue).records, 10);
	assert_true(statistics_of(feeder.queue).waiting);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(queue_take(feeder.queue, 0, 2, &batch), 0);
		assert_int_equal(batch.count, 2);
		assert_int_equal(batch.stream, 7);
		account_batch(&account, &batch); /* resume too */
		if (i == 2)
			feed(&feeder, 0); /* changes nothing */
	}
	assert_int_equal(queue_take(feeder.queue, 0, 2, &batch), PROCOBSRV_ERROR_TIMEOUT);
	assert_int_equal(queue_take(feeder.queue, 0, 0, &batch), PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(statistics_of(feeder.queue).records, 0);
	assert_false(statistics_of(feeder.queue).waiting);
	account_end(&account, 10);
	queue_destroy(feeder.queue);
	queue_destroy(NULL);
}

/* What was lent is the same until the next take, whatever is appended meanwhile. */
static void test_loan_stays(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL)};
	struct account account = {0};
	struct queue_batch batch;

	(void)state;
	feed(&feeder, 20);
	assert_int_equal(queue_take(feeder.queue, 0, 20, &batch), 0);
	for (int i = 0; i < 100; i++)
		feed(&feeder, 50); /* fills all there is, several times over */
	account_batch(&account, &batch);
	assert_int_equal(batch.count, 20);
	assert_int_equal(queue_take(feeder.queue, 0, 1, &batch), 0);
	assert_int_equal(batch.count, 1);
	account_batch(&account, &batch);
	queue_destroy(feeder.queue);
}

static void test_long_run_in_bound(void **state)
{
	/* A few times what one batch of these can be, and far less than all of them. */
	struct feeder feeder = {.queue = make_queue(400 * 1024, NULL)};
	struct account account = {0};

	(void)state;
	for (int i = 0; i < 3000; i++) {
		feed(&feeder, (size_t)(i * 7 % 100) + 1);
		assert_int_equal(drain(feeder.queue, &account), PROCOBSRV_ERROR_TIMEOUT);
	}
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 0);
	assert_true(statistics_of(feeder.queue).memory_peak <= 400 * 1024);
	queue_destroy(feeder.queue);
}

static void test_streams_do_not_mix(void **state)
{
	struct feeder feeder = {.queue = make_queue(4 << 20, NULL), .stream = 1};
	struct account account = {0};
	struct queue_batch batch;
	uint64_t changed;

	(void)state;
	feed(&feeder, 3);
	changed = feeder.position;
	feeder.stream = 2;
	feed(&feeder, 4);
	feeder.stream = 1;
	feed(&feeder, 5);
	assert_int_equal(queue_take(feeder.queue, 0, 100, &batch), 0);
	assert_int_equal(batch.stream, 1);
	assert_int_equal(batch.count, 3);
	assert_int_equal(batch.resume, changed);
	account_batch(&account, &batch);
	assert_int_equal(queue_take(feeder.queue, 0, 100, &batch), 0);
	assert_int_equal(batch.stream, 2);
	assert_int_equal(batch.count, 4);
	account_batch(&account, &batch);
	assert_int_equal(queue_take(feeder.queue, 0, 100, &batch), 0);
	assert_int_equal(batch.stream, 1);
	assert_int_equal(batch.count, 5);
	account_batch(&account, &batch);
	account_end(&account, 12);
	queue_destroy(feeder.queue);
}

/* Full: what does not fit is one gap, in its place, exact by kind; then it goes on. */
static void test_gap_in_place(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL), .stream = 3};
	struct account account = {0};
	struct queue_batch batch;
	uint64_t lost;

	(void)state;
	for (int i = 0; i < 20; i++)
		feed(&feeder, 200);
	lost = statistics_of(feeder.queue).lost;
	assert_true(lost > 1000);
	assert_int_equal(statistics_of(feeder.queue).records + lost, feeder.next);
	/* A record's room is no room for a gap and a record: still nothing is out of order. */
	assert_int_equal(queue_take(feeder.queue, 0, 1, &batch), 0);
	account_batch(&account, &batch);
	feed(&feeder, 100);
	assert_int_equal(drain(feeder.queue, &account), PROCOBSRV_ERROR_TIMEOUT);
	feed(&feeder, 300);
	assert_int_equal(drain(feeder.queue, &account), PROCOBSRV_ERROR_TIMEOUT);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	assert_int_equal(account.gap.stage, RECORD_GAP_QUEUE);
	assert_int_equal(account.gap.detail, ENOBUFS);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	queue_destroy(feeder.queue);
}

/* Every mix of filling and emptying gives a stream without an untold hole. */
static void test_gaps_at_random(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL)};
	struct account account = {0};
	struct queue_batch batch;
	unsigned random = 12345;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		random = random * 1103515245 + 12345;
		feed(&feeder, random >> 16 & 0xff);
		if (random >> 28 == 0)
			feeder.stream ^= 1;
		random = random * 1103515245 + 12345;
		for (unsigned takes = random >> 16 & 3; takes > 0; takes--)
			if (queue_take(feeder.queue, 0, (random >> 20 & 0x7f) + 1, &batch) == 0)
				for (size_t n = 0; n < batch.count; n++)
					account_record(&account, &batch.records[n]);
	}
	queue_end(feeder.queue);
	while (queue_take(feeder.queue, 0, 1000, &batch) == 0)
		for (size_t n = 0; n < batch.count; n++)
			account_record(&account, &batch.records[n]);
	account_end(&account, feeder.next);
	assert_true(account.gaps > 10);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	assert_int_equal(statistics_of(feeder.queue).records, 0);
	queue_destroy(feeder.queue);
}

/* Nothing comes after the gap: it is told all the same, before the end. */
static void test_trailing_gap(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL)};
	struct account account = {0};

	(void)state;
	for (int i = 0; i < 20; i++)
		feed(&feeder, 200);
	queue_end(feeder.queue);
	assert_int_equal(drain(feeder.queue, &account), PROCOBSRV_ERROR_ENDED);
	assert_true(account.in_gap);
	account_end(&account, feeder.next);
	assert_int_equal(account.gaps, 1);
	queue_destroy(feeder.queue);
}

static void fill_up(struct feeder *feeder)
{
	while (statistics_of(feeder->queue).lost == 0)
		feed(feeder, 10);
}

/* A chunk that is given up takes its record with it, also when there is room again. */
static void test_chunk_takes_its_record(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL)};
	_Alignas(8) char chunk[4096] = {0}, record[256] = {0};
	struct record_header *header = (struct record_header *)chunk;
	struct account account = {0};
	struct queue_batch batch;
	uint64_t lost, position;

	(void)state;
	fill_up(&feeder);
	*header = (struct record_header){sizeof(chunk), RECORD_VERSION, RECORD_CHUNK};
	header->cpu = 77;
	header->number = 5;
	lost = statistics_of(feeder.queue).lost;
	position = feeder.position;
	append_one(feeder.queue, chunk, sizeof(chunk), position);
	assert_int_equal(statistics_of(feeder.queue).lost, lost); /* no event */
	assert_int_equal(queue_position(feeder.queue), position + sizeof(chunk));
	drain(feeder.queue, &account);
	account_end(&account, feeder.next);

	/* There is room. The second chunk and the record are given up, the next record is not. */
	append_one(feeder.queue, chunk, sizeof(chunk), position);
	header = (struct record_header *)record;
	*header = (struct record_header){sizeof(record), RECORD_VERSION, RECORD_EXEC};
	header->cpu = 77;
	header->number = 5;
	header->time_ns = 99;
	append_one(feeder.queue, record, sizeof(record), position);
	header->number = 6;
	append_one(feeder.queue, record, sizeof(record), position + sizeof(record));
	assert_int_equal(statistics_of(feeder.queue).lost, lost + 1);
	assert_int_equal(queue_take(feeder.queue, 0, 10, &batch), 0);
	assert_int_equal(batch.count, 2);
	header = (struct record_header *)batch.records[0].data;
	assert_int_equal(header->kind, RECORD_GAP);
	assert_int_equal(((struct record_gap *)(header + 1))->lost[RECORD_LOST_INDEX(RECORD_EXEC)],
			 1);
	assert_int_equal(batch.records[0].position, position);
	header = (struct record_header *)batch.records[1].data;
	assert_int_equal(header->number, 6);
	queue_destroy(feeder.queue);
}

/* What a gap record told that is itself given up is told by the queue's gap. */
static void test_gap_within_gap(void **state)
{
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, NULL)};
	struct {
		struct record_header header;
		struct record_gap gap;
	} inner = {
	    .header = {sizeof(inner), RECORD_VERSION, RECORD_GAP},
	    .gap = {.lost = {1, 2, 3, 4}, .unknown = 5, .from_ns = 1, .to_ns = 1u << 30},
	};
	const struct record_gap *outer = NULL;
	struct queue_batch batch;
	uint64_t lost, sum = 0;

	(void)state;
	fill_up(&feeder);
	lost = statistics_of(feeder.queue).lost;
	append_one(feeder.queue, &inner, sizeof(inner), feeder.position);
	assert_int_equal(statistics_of(feeder.queue).lost, lost); /* were lost elsewhere */
	while (queue_take(feeder.queue, 0, 1000, &batch) == 0)
		for (size_t i = 0; i < batch.count; i++) {
			const struct record_header *header = batch.records[i].data;

			if (header->kind != RECORD_GAP)
				continue;
			assert_null(outer);
			outer = (const struct record_gap *)(header + 1);
			for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
				sum += outer->lost[kind];
			assert_int_equal(sum, lost + 10);
			assert_int_equal(outer->unknown, 5);
			assert_int_equal(outer->from_ns, 1);
			assert_int_equal(outer->to_ns, 1u << 30);
		}
	assert_non_null(outer);
	queue_destroy(feeder.queue);
}

/* Sizes that no reader takes are told as gaps, and disturb nothing. */
static void test_sizes_out_of_range(void **state)
{
	struct queue *queue = make_queue(SMALL_MEMORY, NULL);
	_Alignas(8) static char record[RECORD_SIZE_MAX + 8];
	struct record_header *header = (struct record_header *)record;
	const struct record_gap *gap;
	struct queue_batch batch;

	(void)state;
	*header = (struct record_header){0, RECORD_VERSION, RECORD_EXIT};
	append_one(queue, record, sizeof(record), 0);
	append_one(queue, record, 8, sizeof(record));
	append_one(queue, record, RECORD_SIZE_MAX, sizeof(record) + 8);
	assert_int_equal(queue_take(queue, 0, 10, &batch), 0);
	assert_int_equal(batch.count, 2);
	gap = (const struct record_gap *)((const struct record_header *)batch.records[0].data + 1);
	assert_int_equal(gap->lost[RECORD_LOST_INDEX(RECORD_EXIT)], 1);
	assert_int_equal(gap->unknown, 1);
	assert_int_equal(gap->stage, RECORD_GAP_QUEUE);
	assert_int_equal(gap->detail, EMSGSIZE);
	assert_int_equal(batch.records[1].size, RECORD_SIZE_MAX);
	queue_destroy(queue);
}

static void *feed_later(void *param)
{
	struct feeder *feeder = param;

	sleep_ms(20);
	feed(feeder, 1);
	return NULL;
}

static void *wake_later(void *param)
{
	sleep_ms(20);
	queue_wake(param);
	return NULL;
}

static void *end_later(void *param)
{
	sleep_ms(20);
	queue_end(param);
	return NULL;
}

static void test_waiting(void **state)
{
	struct feeder feeder = {.queue = make_queue(4 << 20, NULL)};
	struct queue_batch batch;
	uint64_t begin = os_monotonic_ns();
	pthread_t thread;

	(void)state;
	assert_int_equal(queue_take(feeder.queue, 30, 1, &batch), PROCOBSRV_ERROR_TIMEOUT);
	assert_true(os_monotonic_ns() - begin >= 30000000);

	assert_int_equal(os_thread_start(&thread, "feeder", feed_later, &feeder), 0);
	assert_int_equal(queue_take(feeder.queue, -1, 1, &batch), 0);
	pthread_join(thread, NULL);

	assert_int_equal(os_thread_start(&thread, "waker", wake_later, feeder.queue), 0);
	assert_int_equal(queue_take(feeder.queue, -1, 1, &batch), PROCOBSRV_ERROR_TIMEOUT);
	pthread_join(thread, NULL);

	/* A wake that comes before the wait is not lost. */
	queue_wake(feeder.queue);
	assert_int_equal(queue_take(feeder.queue, -1, 1, &batch), PROCOBSRV_ERROR_TIMEOUT);

	assert_int_equal(os_thread_start(&thread, "ender", end_later, feeder.queue), 0);
	assert_int_equal(queue_take(feeder.queue, 10000, 1, &batch), PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	assert_int_equal(queue_take(feeder.queue, -1, 1, &batch), PROCOBSRV_ERROR_ENDED);
	queue_destroy(feeder.queue);
}

static void *advance_later(void *param)
{
	sleep_ms(20);
	queue_advance(param, 1000);
	return NULL;
}

static void test_position(void **state)
{
	struct feeder feeder = {.queue = make_queue(4 << 20, NULL)};
	pthread_t thread;

	(void)state;
	assert_int_equal(queue_position(feeder.queue), 0);
	assert_true(queue_wait_position(feeder.queue, 0, 0));
	assert_false(queue_wait_position(feeder.queue, 1, 0));
	assert_false(queue_wait_position(feeder.queue, 1, 20));
	assert_int_equal(os_thread_start(&thread, "feeder", feed_later, &feeder), 0);
	assert_true(queue_wait_position(feeder.queue, 1, -1));
	pthread_join(thread, NULL);
	assert_int_equal(queue_position(feeder.queue), feeder.position);

	assert_int_equal(os_thread_start(&thread, "advancer", advance_later, feeder.queue), 0);
	assert_true(queue_wait_position(feeder.queue, 1000, 10000));
	pthread_join(thread, NULL);

	assert_int_equal(os_thread_start(&thread, "ender", end_later, feeder.queue), 0);
	assert_true(queue_wait_position(feeder.queue, 5000, -1));
	pthread_join(thread, NULL);
	queue_destroy(feeder.queue);
}

static void test_readable(void **state)
{
	struct os_event *readable = os_event_create();
	struct feeder feeder = {.queue = make_queue(SMALL_MEMORY, readable)};
	struct account account = {0};
	struct queue_batch batch;

	(void)state;
	assert_false(is_set(readable));
	feed(&feeder, 2);
	assert_true(is_set(readable));
	assert_int_equal(queue_take(feeder.queue, 0, 1, &batch), 0);
	account_batch(&account, &batch);
	assert_true(is_set(readable));
	assert_int_equal(queue_take(feeder.queue, 0, 1, &batch), 0);
	account_batch(&account, &batch);
	assert_false(is_set(readable)); /* all is lent: a take would give nothing */
	/* Whoever lent the event may touch it as well. */
	feed(&feeder, 1);
	os_event_clear(readable);
	feed(&feeder, 1);
	assert_true(is_set(readable));
	drain(feeder.queue, &account);
	assert_false(is_set(readable));
	/* A gap alone is something to take. */
	fill_up(&feeder);
	while (!account.in_gap) {
		assert_true(is_set(readable));
		assert_int_equal(queue_take(feeder.queue, 0, 50, &batch), 0);
		account_batch(&account, &batch);
	}
	assert_false(is_set(readable));
	queue_end(feeder.queue);
	assert_true(is_set(readable));
	assert_int_equal(drain(feeder.queue, &account), PROCOBSRV_ERROR_ENDED);
	assert_true(is_set(readable));
	account_end(&account, feeder.next);
	queue_destroy(feeder.queue);
	os_event_destroy(readable);
}

#define MANY 500000

static void *feed_many(void *param)
{
	struct feeder *feeder = param;

	while (feeder->next < MANY) {
		size_t left = MANY - feeder->next, count = feeder->next % 150 + 1;

		feed(feeder, left < count ? left : count);
	}
	queue_end(feeder->queue);
	return NULL;
}

static void test_two_threads(void **state)
{
	struct feeder feeder = {.queue = make_queue(1 << 20, NULL)};
	struct account account = {0};
	struct queue_batch batch;
	pthread_t thread;
	int code;

	(void)state;
	assert_int_equal(os_thread_start(&thread, "feeder", feed_many, &feeder), 0);
	while ((code = queue_take(feeder.queue, -1, 200, &batch)) == 0)
		account_batch(&account, &batch);
	assert_int_equal(code, PROCOBSRV_ERROR_ENDED);
	pthread_join(thread, NULL);
	account_end(&account, MANY);
	assert_int_equal(account.lost, statistics_of(feeder.queue).lost);
	assert_true(statistics_of(feeder.queue).memory_peak <= 1 << 20);
	queue_destroy(feeder.queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_loan_stays),
	    cmocka_unit_test(test_long_run_in_bound),
	    cmocka_unit_test(test_streams_do_not_mix),
	    cmocka_unit_test(test_gap_in_place),
	    cmocka_unit_test(test_gaps_at_random),
	    cmocka_unit_test(test_trailing_gap),
	    cmocka_unit_test(test_chunk_takes_its_record),
	    cmocka_unit_test(test_gap_within_gap),
	    cmocka_unit_test(test_sizes_out_of_range),
	    cmocka_unit_test(test_waiting),
	    cmocka_unit_test(test_position),
	    cmocka_unit_test(test_readable),
	    cmocka_unit_test(test_two_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
