/* SPDX-License-Identifier: MIT */
/* A sink at work, with a sink that fails, is slow or blocks; and the queue before it. */
#include "harness.h"

#include "event_queue.h"
#include "runner_ground.h"
#include "sample_events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- tests ---- */

static void test_order(void **state)
{
	struct sink_runner *runner = runner_begin("passing: {queue: 100000}");

	(void)state;
	for (uint64_t seq = 1; seq <= 20000; seq++)
		runner_put(runner, &sample_start, seq);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_int_equal(probe.count, 20000);
	for (uint64_t seq = 1; seq <= 20000; seq++)
		assert_true(probe.taken[seq - 1].seq == seq);
	struct sink_runner_statistics statistics = runner_ask(runner);
	assert_int_equal(statistics.taken, 20000);
	assert_int_equal(statistics.waiting, 0);
	assert_int_equal(statistics.waiting_bytes, 0);
	assert_int_equal(statistics.lag_ns, 0);
	assert_int_equal(statistics.sink.written, 7);
	assert_string_equal(statistics.name, "passing");
	sink_runner_stop(runner);
	assert_int_equal(atomic_load(&probe.closed), 1);
}

static void test_filter(void **state)
{
	struct sink_runner *runner =
	    runner_begin("passing: {kinds: [start, lost], match: seq == 3 || seq == 4}");

	(void)state;
	runner_put(runner, &sample_start, 1);
	runner_put(runner, &sample_start, 3);
	runner_put(runner, &sample_killed, 4);
	runner_put(runner, &sample_lost, 5);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	/* That something is missing is told whatever is asked for. */
	assert_int_equal(probe.count, 2);
	assert_int_equal(probe.taken[0].seq, 3);
	assert_int_equal(probe.taken[1].kind, PROCOBSRV_LOST);
	assert_int_equal(runner_ask(runner).filtered, 2);
	sink_runner_stop(runner);
}

static void test_see(void **state)
{
	struct sink_runner *runner =
	    runner_begin("seeing: {kinds: [start, lost], match: seq == 3 || seq == 4}");
	struct sink_runner_statistics statistics;

	(void)state;
	seen_count = 0;
	seen_before_write = 0;
	for (uint64_t seq = 1; seq <= 5; seq++)
		runner_put(runner, seq == 4 ? &sample_exec : &sample_start, seq);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	statistics = runner_ask(runner);
	sink_runner_stop(runner);
	assert_int_equal(seen_count, 5);
	for (uint64_t seq = 1; seq <= 5; seq++)
		assert_int_equal(seen[seq - 1], seq);
	assert_true(seen_before_write >= 3);
	assert_int_equal(probe.count, 1);
	assert_int_equal(probe.taken[0].seq, 3);
	assert_int_equal(statistics.taken, 1);
	assert_int_equal(statistics.filtered, 4);
}

/* What does not fit is counted, and told where it is missing. */
static void test_full(void **state)
{
	struct sink_runner *runner = runner_begin("passing: {queue: 4}");

	(void)state;
	runner_block(true);
	runner_put(runner, &sample_start, 1);
	runner_wait_in_write();
	runner_put(runner, &sample_start, 2);
	runner_put(runner, &sample_start, 3);
	runner_put(runner, &sample_start, 4);
	runner_put(runner, &sample_start, 5);
	runner_put(runner, &sample_killed, 6);
	runner_put(runner, &sample_existing, 6);
	runner_put(runner, &sample_lost, 6 + sample_lost.lost->count);
	uint64_t last = 6 + sample_lost.lost->count;
	struct sink_runner_statistics statistics = runner_ask(runner);
	assert_int_equal(statistics.waiting, 4);
	assert_int_equal(statistics.waiting_most, 4);
	assert_true(statistics.waiting_bytes > 0);
	assert_true(statistics.lag_ns > 0);
	assert_int_equal(statistics.lost[PROCOBSRV_START], 1);
	assert_int_equal(statistics.lost[PROCOBSRV_EXIT], 1);
	assert_int_equal(statistics.lost[PROCOBSRV_EXISTING], 1);
	assert_int_equal(statistics.lost[PROCOBSRV_LOST], 1);
	runner_block(false);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	runner_put(runner, &sample_start, last + 1);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));

	assert_int_equal(probe.count, 6);
	const struct taken *gap = &probe.taken[4];
	assert_int_equal(gap->kind, PROCOBSRV_LOST);
	assert_string_equal(gap->lost.stage, "sink");
	assert_string_equal(gap->lost.reason, "queue full");
	assert_true(gap->lost.first == 5 && gap->seq == last);
	assert_true(gap->lost.count == 2 + sample_lost.lost->count);
	assert_true(gap->lost.start == 1 + sample_lost.lost->start);
	assert_true(gap->lost.exit == 1 + sample_lost.lost->exit);
	assert_true(gap->lost.count == gap->lost.start + gap->lost.exec + gap->lost.exec_failed +
					   gap->lost.exit + gap->lost.unknown);
	assert_int_equal(probe.taken[5].seq, last + 1);
	sink_runner_stop(runner);
}

/* It is told although nothing comes any more. */
static void test_full_at_the_end(void **state)
{
	struct sink_runner *runner = runner_begin("passing: {queue: 1}");

	(void)state;
	runner_block(true);
	runner_put(runner, &sample_start, 1);
	runner_wait_in_write();
	runner_put(runner, &sample_start, 2);
	runner_block(false);
	WAIT_FOR(runner_ask(runner).taken == 2);
	assert_int_equal(probe.taken[1].kind, PROCOBSRV_LOST);
	assert_int_equal(probe.taken[1].lost.count, 1);
	sink_runner_stop(runner);
}

static struct sink_runner *held;
static atomic_int held_put;

static void *put_many(void *param)
{
	(void)param;
	for (uint64_t seq = 1; seq <= 10; seq++) {
		runner_put(held, &sample_start, seq);
		atomic_store(&held_put, (int)seq);
	}
	return NULL;
}

/* A durable sink loses nothing: who hands events on waits. */
static void test_durable(void **state)
{
	const struct procobsrv_event *event;
	pthread_t thread;
	uint64_t ordinal;

	(void)state;
	held = runner_begin("durable: {queue: 4}");
	atomic_store(&held_put, 0);
	assert_true(sink_runner_safe(held, &event, &ordinal) && !event);
	runner_block(true);
	assert_int_equal(pthread_create(&thread, NULL, put_many, NULL), 0);
	WAIT_FOR(atomic_load(&held_put) == 4);
	for (int index = 0; index < 50; index++)
		runner_nap();
	assert_int_equal(atomic_load(&held_put), 4);
	assert_false(sink_runner_safe(held, &event, &ordinal));
	runner_block(false);
	pthread_join(thread, NULL);
	assert_true(sink_runner_flush(held, 20 * SECOND_NS));
	assert_int_equal(probe.count, 10);
	assert_true(sink_runner_safe(held, &event, &ordinal));
	assert_int_equal(ordinal, 10);
	assert_int_equal(event->seq, 10);
	procobsrv_event_unref(event);
	sink_runner_stop(held);
}

/* What is not for it is safe with it; but not before what is. */
static void test_safe(void **state)
{
	struct sink_runner *runner = runner_begin("durable: {kinds: [start]}");
	const struct procobsrv_event *event;
	uint64_t ordinal;

	(void)state;
	runner_put(runner, &sample_killed, 1);
	assert_true(sink_runner_safe(runner, &event, &ordinal));
	assert_int_equal(ordinal, 1);
	procobsrv_event_unref(event);
	runner_block(true);
	runner_put(runner, &sample_start, 2);
	runner_wait_in_write();
	runner_put(runner, &sample_killed, 3);
	assert_false(sink_runner_safe(runner, &event, &ordinal));
	runner_block(false);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_true(sink_runner_safe(runner, &event, &ordinal));
	assert_int_equal(ordinal, 3);
	procobsrv_event_unref(event);
	sink_runner_stop(runner);
}

/* Once released it neither takes nor holds back, and what it was not given is not safe. */
static void test_release(void **state)
{
	const struct procobsrv_event *event;
	pthread_t thread;
	uint64_t ordinal;

	(void)state;
	held = runner_begin("durable: {queue: 4}");
	atomic_store(&held_put, 0);
	runner_block(true);
	assert_int_equal(pthread_create(&thread, NULL, put_many, NULL), 0);
	WAIT_FOR(atomic_load(&held_put) == 4);
	sink_runner_release(held);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&held_put), 10);
	assert_false(sink_runner_flush(held, SECOND_NS / 100));
	runner_block(false);
	assert_true(sink_runner_flush(held, 20 * SECOND_NS));
	assert_int_equal(probe.count, 4);
	assert_true(sink_runner_safe(held, &event, &ordinal));
	assert_int_equal(ordinal, 4);
	procobsrv_event_unref(event);
	sink_runner_resume(held);
	runner_put(held, &sample_start, 11);
	assert_true(sink_runner_flush(held, 20 * SECOND_NS));
	assert_int_equal(probe.taken[4].seq, 11);
	sink_runner_stop(held);
}

/* It is tried again, with the same events, and later opened anew. */
static void test_failing_write(void **state)
{
	struct sink_runner *runner = runner_begin("passing:");

	(void)state;
	WAIT_FOR(atomic_load(&probe.opened) == 1);
	atomic_store(&probe.fail_write, 1000);
	uint64_t begin_ns = os_monotonic_ns();
	runner_put(runner, &sample_start, 1);
	runner_put(runner, &sample_start, 2);
	WAIT_FOR(runner_ask(runner).failures >= 3);
	struct sink_runner_statistics statistics = runner_ask(runner);
	assert_true(statistics.failing && statistics.failing_since_ns > 0);
	assert_string_equal(statistics.error, "the probe's disk is full");
	atomic_store(&probe.fail_write, 0);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	uint64_t passed_ns = os_monotonic_ns() - begin_ns;
	WAIT_FOR(!runner_ask(runner).failing);
	/* 100 ms, 200 ms, 400 ms, ... */
	uint64_t failures = runner_ask(runner).failures;
	assert_true(failures < 10);
	assert_true(passed_ns >= ((UINT64_C(100) << failures) - 110) * (SECOND_NS / 1000));
	assert_int_equal(probe.count, 2);
	assert_int_equal(atomic_load(&probe.opened), failures);
	assert_int_equal(atomic_load(&probe.closed), failures - 1);
	sink_runner_stop(runner);
}

static void test_failing_open(void **state)
{
	struct sink_runner *runner;

	(void)state;
	const struct configuration *configuration = runner_configure("passing:");
	runner_reset();
	atomic_store(&probe.fail_open, 2);
	assert_int_equal(sink_runner_start(configuration, configuration->sinks, NULL, &runner), 0);
	configuration_unref(configuration);
	runner_put(runner, &sample_start, 1);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_int_equal(runner_ask(runner).failures, 2);
	assert_int_equal(probe.count, 1);
	sink_runner_stop(runner);
}

static void change(struct sink_runner *runner, const char *text)
{
	const struct configuration *configuration = runner_configure(text);

	assert_int_equal(sink_runner_change(runner, configuration, configuration->sinks), 0);
	configuration_unref(configuration);
}

static void test_change(void **state)
{
	struct sink_runner *runner = runner_begin("passing:");

	(void)state;
	runner_put(runner, &sample_start, 1);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_string_equal(probe.path, "/initial");
	change(runner, "passing: {path: /initial}");
	WAIT_FOR(atomic_load(&probe.opened) == 1 && atomic_load(&probe.reopened) == 1);
	change(runner, "passing: {path: /other, kinds: [exit]}");
	WAIT_FOR(atomic_load(&probe.opened) == 2);
	assert_int_equal(atomic_load(&probe.closed), 1);
	runner_put(runner, &sample_start, 2);
	runner_put(runner, &sample_killed, 3);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_string_equal(probe.path, "/other");
	assert_int_equal(probe.count, 2);
	assert_int_equal(probe.taken[1].seq, 3);
	sink_runner_stop(runner);
}

/* One that fails is tried with its new settings at once, with what waits. */
static void test_change_while_failing(void **state)
{
	struct sink_runner *runner = runner_begin("durable:");

	(void)state;
	WAIT_FOR(atomic_load(&probe.opened) == 1);
	atomic_store(&probe.fail_write, 1000);
	runner_put(runner, &sample_start, 1);
	WAIT_FOR(runner_ask(runner).failures >= 4);
	uint64_t failures = runner_ask(runner).failures;
	uint64_t begin_ns = os_monotonic_ns();
	change(runner, "durable: {path: /other}");
	/* At once, then after 100 ms and 200 ms. As before it would be after 0.8 s, 1.6 s and
	 * 3.2 s, of which the first may have been over. */
	WAIT_FOR(runner_ask(runner).failures >= failures + 3);
	assert_true(os_monotonic_ns() - begin_ns < 4 * SECOND_NS);
	atomic_store(&probe.fail_write, 0);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_string_equal(probe.path, "/other");
	assert_int_equal(probe.count, 1);
	sink_runner_stop(runner);
}

static void test_tend(void **state)
{
	struct sink_runner *runner = runner_begin("passing:");

	(void)state;
	WAIT_FOR(atomic_load(&probe.tended) >= 2);
	sink_runner_stop(runner);
}

/* Bytes bound it as well: 16 MiB of arguments each. */
static void test_bytes(void **state)
{
	static char argument[16 << 20];
	static const char *const argv[] = {argument, NULL};
	static const struct procobsrv_process process = {.name = "much", .argv = argv, .argc = 1};
	static struct event event = {.references = 1000};
	struct event_queue queue = {0};

	(void)state;
	memset(argument, 'x', sizeof(argument) - 1);
	event.public.kind = PROCOBSRV_EXEC;
	event.public.process = &process;
	for (uint64_t ordinal = 1; ordinal <= 4; ordinal++) {
		assert_false(event_queue_full(&queue, 1000, SINK_RUNNER_BYTES_MAX));
		assert_true(event_queue_put(&queue, &event.public, ordinal));
	}
	assert_true(event_queue_full(&queue, 1000, SINK_RUNNER_BYTES_MAX));
	assert_int_equal(event_queue_remove(&queue, 4), 4);
	assert_int_equal(queue.bytes, 0);
	event_queue_free(&queue);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_filter),
	    cmocka_unit_test(test_see),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_full_at_the_end),
	    cmocka_unit_test(test_durable),
	    cmocka_unit_test(test_safe),
	    cmocka_unit_test(test_release),
	    cmocka_unit_test(test_failing_write),
	    cmocka_unit_test(test_failing_open),
	    cmocka_unit_test(test_change),
	    cmocka_unit_test(test_change_while_failing),
	    cmocka_unit_test(test_tend),
	    cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
