/* SPDX-License-Identifier: MIT */
/* A durable sink that fails: events pass it by, and are told to it again, once and in order. */
#include "harness.h"

#include "error.h"
#include "runner_ground.h"
#include "sample_events.h"
#include "sink_behind.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define EVENTS_MOST 200u

/* What stands in for the monitor's checkpoint: all events with a record of their own. */
struct catch_up {
	size_t next;
};

static struct kept {
	pthread_mutex_t lock;
	const struct procobsrv_event *events[EVENTS_MOST];
	size_t count;
	struct catch_up again;
	atomic_int begun;
	atomic_int ended;
	atomic_int opened;
	atomic_int closed;
	atomic_int concluded;
	atomic_int failed;
	atomic_int most; /* events that may pass */
	atomic_bool unreadable;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool begin(void *param)
{
	(void)param;
	atomic_fetch_add(&kept.begun, 1);
	return atomic_load(&kept.most) > 0;
}

static bool goes_on(void *param)
{
	(void)param;
	return atomic_fetch_sub(&kept.most, 1) > 0;
}

static void end(void *param)
{
	(void)param;
	atomic_fetch_add(&kept.ended, 1);
}

static uint64_t position(const struct procobsrv_event *event)
{
	return ((const struct event *)(const void *)event)->position;
}

static int open_again(void *param, uint64_t first, struct catch_up **again)
{
	(void)param;
	if (atomic_load(&kept.unreadable))
		return error_set(PROCOBSRV_ERROR_CORRUPT, "it is damaged");
	kept.again = (struct catch_up){0};
	while (kept.again.next < kept.count && position(kept.events[kept.again.next]) < first)
		kept.again.next++;
	*again = &kept.again;
	atomic_fetch_add(&kept.opened, 1);
	return 0;
}

static int next(struct catch_up *again, const struct catch_up_range *range,
		const struct procobsrv_event **event)
{
	int error = PROCOBSRV_ERROR_ENDED;

	assert_true(range->limit <= range->last);
	pthread_mutex_lock(&kept.lock);
	if (again->next < kept.count && position(kept.events[again->next]) <= range->limit) {
		*event = procobsrv_event_ref(kept.events[again->next++]);
		error = 0;
	}
	pthread_mutex_unlock(&kept.lock);
	return error;
}

static void conclude(struct catch_up *again, const struct procobsrv_event *event)
{
	(void)again;
	(void)event;
	atomic_fetch_add(&kept.concluded, 1);
}

static void close_again(struct catch_up *again)
{
	assert_ptr_equal(again, &kept.again);
	atomic_fetch_add(&kept.closed, 1);
}

static void fail_again(void *param)
{
	(void)param;
	atomic_fetch_add(&kept.failed, 1);
}

static const struct sink_behind_source source = {
    .begin = begin,
    .goes_on = goes_on,
    .end = end,
    .open = open_again,
    .next = next,
    .conclude = conclude,
    .close = close_again,
    .fail = fail_again,
};

/* One that fails for so many times, and of which `most` events may pass by. */
static struct sink_runner *begin_failing(int most, int failures)
{
	const struct sink_runner_listener listener = {.source = &source};
	struct sink_runner *runner = runner_begin_with("durable: {queue: 4}", &listener);

	while (kept.count)
		procobsrv_event_unref(kept.events[--kept.count]);
	atomic_store(&kept.begun, 0);
	atomic_store(&kept.ended, 0);
	atomic_store(&kept.opened, 0);
	atomic_store(&kept.closed, 0);
	atomic_store(&kept.concluded, 0);
	atomic_store(&kept.failed, 0);
	atomic_store(&kept.most, most);
	atomic_store(&kept.unreadable, false);
	WAIT_FOR(atomic_load(&probe.opened) == 1);
	atomic_store(&probe.fail_write, failures);
	return runner;
}

/* As the dispatcher does: into the checkpoint first. What has no record stands where the one before
 * or after it does. */
static void hand_on(struct sink_runner *runner, const struct procobsrv_event *sample, uint64_t seq,
		    uint64_t at)
{
	const struct procobsrv_event *event = runner_make_event(sample, seq);

	((struct event *)(uintptr_t)event)->position = at;
	if (catch_up_has_record(event)) {
		pthread_mutex_lock(&kept.lock);
		kept.events[kept.count++] = procobsrv_event_ref(event);
		pthread_mutex_unlock(&kept.lock);
	}
	sink_runner_put(runner, event, seq);
	procobsrv_event_unref(event);
}

static void hand_on_many(struct sink_runner *runner, uint64_t from, uint64_t to)
{
	static struct procobsrv_event synthetic;

	synthetic = sample_start;
	synthetic.flags |= PROCOBSRV_EVENT_SYNTHETIC;
	for (uint64_t seq = from; seq <= to; seq++) {
		if (seq % 10 == 7) /* a gap before the next one */
			hand_on(runner, &sample_lost, seq, seq + 1);
		else if (seq % 10 == 1) /* concluded after the last one */
			hand_on(runner, &synthetic, seq, seq - 1);
		else
			hand_on(runner, &sample_start, seq, seq);
	}
}

static void expect_taken(struct sink_runner *runner, uint64_t count)
{
	const struct procobsrv_event *event;
	uint64_t ordinal;

	assert_int_equal(probe.count, count);
	for (uint64_t seq = 1; seq <= count; seq++)
		assert_int_equal(probe.taken[seq - 1].seq, seq);
	assert_true(sink_runner_safe(runner, &event, &ordinal));
	assert_int_equal(ordinal, count);
	assert_int_equal(event->seq, count);
	procobsrv_event_unref(event);
	struct sink_runner_statistics statistics = runner_ask(runner);
	assert_int_equal(statistics.taken, count);
	assert_int_equal(statistics.waiting, 0);
	assert_int_equal(statistics.filtered, 0);
	assert_false(statistics.is_behind || statistics.holds_back);
}

static void expect_over(void)
{
	assert_int_equal(atomic_load(&kept.ended), atomic_load(&kept.begun));
	assert_int_equal(atomic_load(&kept.closed), atomic_load(&kept.opened));
	assert_int_equal(atomic_load(&kept.failed), 0);
}

/* ---- tests ---- */

static void test_told_again(void **state)
{
	struct sink_runner *runner = begin_failing(1000, 1000);
	const struct procobsrv_event *event;
	uint64_t ordinal;

	(void)state;
	hand_on_many(runner, 1, 60);
	WAIT_FOR(runner_ask(runner).failing);
	struct sink_runner_statistics statistics = runner_ask(runner);
	assert_true(statistics.is_behind && statistics.failing && !statistics.holds_back);
	assert_int_equal(statistics.behind, 56);
	assert_int_equal(statistics.waiting, 60);
	assert_false(sink_runner_safe(runner, &event, &ordinal));
	atomic_store(&probe.fail_write, 0);
	WAIT_FOR(!runner_ask(runner).is_behind && sink_runner_flush(runner, SECOND_NS));
	expect_taken(runner, 60);
	/* 7, 11, 17, ... 57; and it takes part again. */
	assert_true(atomic_load(&kept.concluded) >= 10);
	hand_on_many(runner, 61, 62);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	expect_taken(runner, 62);
	sink_runner_stop(runner);
	expect_over();
}

/* It fails again while it is told what passed it by, and more comes meanwhile. */
static void test_fails_again(void **state)
{
	struct sink_runner *runner = begin_failing(1000, 1000);

	(void)state;
	hand_on_many(runner, 1, 30);
	runner_block(true);
	runner_wait_in_write();
	atomic_store(&probe.fail_write, 0);
	runner_block(false);
	WAIT_FOR(runner_ask(runner).taken >= 8);
	atomic_store(&probe.fail_write, 2);
	hand_on_many(runner, 31, 90);
	WAIT_FOR(!runner_ask(runner).is_behind && sink_runner_flush(runner, SECOND_NS));
	expect_taken(runner, 90);
	sink_runner_stop(runner);
	expect_over();
}

static struct sink_runner *held;
static atomic_bool all_put;

static void *put_many(void *param)
{
	(void)param;
	hand_on_many(held, 1, 40);
	atomic_store(&all_put, true);
	return NULL;
}

/* No more is kept than may be: then all wait until it has caught up. */
static void test_bounded(void **state)
{
	pthread_t thread;

	(void)state;
	held = begin_failing(20, 1000);
	atomic_store(&all_put, false);
	assert_int_equal(pthread_create(&thread, NULL, put_many, NULL), 0);
	WAIT_FOR(runner_ask(held).holds_back);
	for (int index = 0; index < 20; index++)
		runner_nap();
	assert_false(atomic_load(&all_put));
	assert_int_equal(runner_ask(held).behind, 20);
	atomic_store(&kept.most, 1000);
	atomic_store(&probe.fail_write, 0);
	pthread_join(thread, NULL);
	WAIT_FOR(!runner_ask(held).is_behind && sink_runner_flush(held, SECOND_NS));
	expect_taken(held, 40);
	sink_runner_stop(held);
	expect_over();
}

/* One that hangs is as good as one that fails, after a while. */
static void test_hangs(void **state)
{
	struct sink_runner *runner = begin_failing(1000, 0);

	(void)state;
	runner_block(true);
	uint64_t begin_ns = os_monotonic_ns();
	hand_on_many(runner, 1, 20);
	assert_true(os_monotonic_ns() - begin_ns > SECOND_NS / 2);
	assert_true(runner_ask(runner).is_behind && !runner_ask(runner).failing);
	runner_block(false);
	WAIT_FOR(!runner_ask(runner).is_behind && sink_runner_flush(runner, SECOND_NS));
	expect_taken(runner, 20);
	sink_runner_stop(runner);
	expect_over();
}

/* The monitor is closed: the next one tells what passed by. */
static void test_forgotten(void **state)
{
	struct sink_runner *runner = begin_failing(1000, 1000);

	(void)state;
	hand_on_many(runner, 1, 30);
	sink_runner_release(runner);
	sink_runner_forget(runner);
	assert_false(runner_ask(runner).is_behind);
	assert_int_equal(runner_ask(runner).waiting, 4);
	assert_int_equal(runner_ask(runner).filtered, 26);
	expect_over();
	atomic_store(&probe.fail_write, 0);
	sink_runner_resume(runner);
	WAIT_FOR(sink_runner_flush(runner, SECOND_NS));
	hand_on_many(runner, 5, 8);
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_int_equal(probe.count, 8);
	assert_int_equal(probe.taken[7].seq, 8);
	sink_runner_stop(runner);
}

static void test_unreadable(void **state)
{
	struct sink_runner *runner = begin_failing(1000, 1000);
	const struct procobsrv_event *event;
	uint64_t ordinal;

	(void)state;
	hand_on_many(runner, 1, 30);
	atomic_store(&kept.unreadable, true);
	atomic_store(&probe.fail_write, 0);
	WAIT_FOR(atomic_load(&kept.failed) == 1);
	assert_true(runner_ask(runner).is_behind);
	/* What it has is safe, what it has not is not. */
	assert_true(sink_runner_flush(runner, 20 * SECOND_NS));
	assert_true(sink_runner_safe(runner, &event, &ordinal));
	assert_int_equal(ordinal, 4);
	procobsrv_event_unref(event);
	sink_runner_stop(runner);
	assert_int_equal(atomic_load(&kept.ended), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_told_again), cmocka_unit_test(test_fails_again),
	    cmocka_unit_test(test_bounded),    cmocka_unit_test(test_hangs),
	    cmocka_unit_test(test_forgotten),  cmocka_unit_test(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
