/* SPDX-License-Identifier: MIT */
/*
 * Eight threads: four in the notify routine at full rate, the others clients of different speed,
 * one of which is killed, and one that comes and goes. What each was delivered and told as lost is
 * what was injected, by kind. Made for ThreadSanitizer as well.
 */
#include "driver_client.h"

#include "status.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define INJECTORS 4

static struct observer *observer;
static uint32_t events_each;
static atomic_uint running; /* injectors */
static atomic_ullong injected[RECORD_LOST_KINDS];

static void keep(void *param)
{
	observer_keep(observer, param);
}

static void *inject(void *param)
{
	uint32_t first_pid = (uint32_t)(uintptr_t)param * 0x100000;
	struct observation observation;

	for (uint32_t i = 0; i < events_each; i++) {
		enum record_kind kind = i % 2 ? RECORD_EXIT : RECORD_START;
		make_observation(&observation, kind, first_pid + i / 2 + 1);
		if (host_notify(keep, &observation))
			atomic_fetch_add(&injected[RECORD_LOST_INDEX(kind)], 1);
	}
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void start_injectors(pthread_t *threads)
{
	atomic_store(&running, INJECTORS);
	for (uintptr_t i = 0; i < INJECTORS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, inject, (void *)(i + 1)), 0);
}

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

enum habit {
	READ_PENDING,  /* a read waits all the time */
	READ_BY_EVENT, /* reads when its event is set, and never waits in a read */
};

struct reader {
	struct driver_client client;
	enum habit habit;
	long pause_us;
	unsigned long long events_between_reads; /* so slow that it loses on any machine */
	uint64_t starts_until_killed;		 /* 0: never */
	bool killed;
};

static bool is_up_to_date(struct reader *reader)
{
	struct ioctl_information information;

	driver_client_query(&reader->client, &information);
	return reader->client.token.position == information.head;
}

static bool is_to_die(const struct reader *reader)
{
	return reader->starts_until_killed &&
	       reader->client.tally.delivered[0] >= reader->starts_until_killed;
}

/* False: it was killed. */
static bool read_once(struct reader *reader)
{
	struct driver_client *client = &reader->client;

	if (reader->habit == READ_BY_EVENT) {
		if (!host_event_wait(client->id, 20))
			return true;
		/* A set event means that there is something. */
		if (driver_client_read_begin(client) != OBSERVER_OK)
			abort();
		driver_client_take(client);
		return true;
	}
	bool waits = driver_client_read_begin(client) == OBSERVER_PENDING;
	if (is_to_die(reader)) { /* while it reads */
		driver_client_close(client);
		return false;
	}
	if (waits) {
		while (!host_read_is_done(&client->read) && atomic_load(&running))
			pause_us(100);
		host_read_cancel(&client->read);
		host_read_wait(&client->read);
	}
	int32_t status = driver_client_take(client);
	if (status != OBSERVER_OK && status != OBSERVER_CANCELLED)
		abort();
	return true;
}

static unsigned long long count_injected(void)
{
	unsigned long long count = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		count += atomic_load(&injected[kind]);
	return count;
}

static void let_pass(unsigned long long events)
{
	unsigned long long end = count_injected() + events;

	while (atomic_load(&running) && count_injected() < end)
		pause_us(1000);
}

static void *read_all(void *param)
{
	struct reader *reader = param;

	do {
		if (!read_once(reader)) {
			reader->killed = true;
			return NULL;
		}
		if (reader->pause_us)
			pause_us(reader->pause_us);
		if (reader->events_between_reads)
			let_pass(reader->events_between_reads);
	} while (atomic_load(&running) || !is_up_to_date(reader));
	return NULL;
}

/* Opens and closes, activates and deactivates, resides and does not, for as long as it lasts. */
static void *come_and_go(void *param)
{
	struct driver_client client;
	unsigned seed = 5;

	(void)param;
	while (atomic_load(&running)) {
		driver_client_open(&client, observer, READ_SIZE_MIN);
		if (driver_client_activate(&client, 0, NULL) != OBSERVER_OK)
			abort();
		if (rand_r(&seed) % 4 == 0)
			driver_client_reside(&client, rand_r(&seed) % 2);
		for (int i = rand_r(&seed) % 4; i > 0; i--) {
			bool waits = driver_client_read_begin(&client) == OBSERVER_PENDING;
			if (waits && i == 1)
				break; /* and so it is closed */
			if (waits)
				host_read_cancel(&client.read);
			host_read_wait(&client.read);
			driver_client_take(&client);
		}
		if (rand_r(&seed) % 2)
			driver_client_deactivate(&client);
		driver_client_close(&client);
	}
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_reside(&client, false);
	driver_client_close(&client);
	return NULL;
}

static void begin(uint64_t size, uint32_t events)
{
	observer = observer_create(size, 0);
	events_each = events;
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		atomic_store(&injected[kind], 0);
}

static void run(struct reader *readers, size_t count, void *(*other)(void *))
{
	pthread_t injectors[INJECTORS], threads[4], other_thread;

	for (size_t i = 0; i < count; i++) {
		driver_client_open(&readers[i].client, observer, READ_SIZE_MIN * (i + 1));
		assert_int_equal(driver_client_activate(&readers[i].client, 0, NULL), OBSERVER_OK);
	}
	start_injectors(injectors);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	if (other)
		assert_int_equal(pthread_create(&other_thread, NULL, other, NULL), 0);
	for (size_t i = 0; i < INJECTORS; i++)
		pthread_join(injectors[i], NULL);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (other)
		pthread_join(other_thread, NULL);
}

static void expect_all_told(const struct reader *reader)
{
	const struct tally *tally = &reader->client.tally;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		assert_int_equal(tally->delivered[kind] + tally->told_lost[kind],
				 atomic_load(&injected[kind]));
	print_message(
	    "delivered %llu + %llu, lost %llu + %llu\n", (unsigned long long)tally->delivered[0],
	    (unsigned long long)tally->delivered[3], (unsigned long long)tally->told_lost[0],
	    (unsigned long long)tally->told_lost[3]);
}

static void end(struct reader *readers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!readers[i].killed)
			driver_client_close(&readers[i].client);
	end_observer(observer);
}

static void one_client(void **state)
{
	struct reader readers[1] = {{.habit = READ_PENDING}};

	(void)state;
	begin(0, 50000);
	run(readers, 1, NULL);
	assert_int_equal(atomic_load(&injected[0]), 100000);
	assert_int_equal(atomic_load(&injected[3]), 100000);
	expect_all_told(&readers[0]);
	end(readers, 1);
}

static void three_of_different_speed(void **state)
{
	struct reader readers[3] = {
	    {.habit = READ_PENDING},
	    {.habit = READ_BY_EVENT, .pause_us = 2000},
	    {.habit = READ_PENDING, .events_between_reads = 10000},
	};

	(void)state;
	begin(RING_SIZE_MIN, 50000);
	run(readers, 3, NULL);
	for (int i = 0; i < 3; i++)
		expect_all_told(&readers[i]);
	assert_true(readers[2].client.tally.told_lost[0] > 0);
	end(readers, 3);
}

static void one_is_killed(void **state)
{
	struct reader readers[3] = {
	    {.habit = READ_BY_EVENT},
	    {.habit = READ_PENDING, .starts_until_killed = 100},
	    {.habit = READ_PENDING, .pause_us = 10000},
	};

	(void)state;
	begin(RING_SIZE_MIN, 30000);
	run(readers, 3, come_and_go);
	expect_all_told(&readers[0]);
	expect_all_told(&readers[2]);
	assert_true(readers[1].killed);
	end(readers, 3);
}

/* Nobody stays: registration and removal under full fire. */
static void all_come_and_go(void **state)
{
	pthread_t injectors[INJECTORS], others[4];

	(void)state;
	begin(RING_SIZE_MIN, 30000);
	start_injectors(injectors);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&others[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(injectors[i], NULL);
		pthread_join(others[i], NULL);
	}
	assert_int_equal(observer->ring.written[0], atomic_load(&injected[0]));
	assert_int_equal(observer->ring.written[3], atomic_load(&injected[3]));
	end(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_client),
	    cmocka_unit_test(three_of_different_speed),
	    cmocka_unit_test(one_is_killed),
	    cmocka_unit_test(all_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
