/* SPDX-License-Identifier: MIT */
/* Resident monitoring: it goes on without a reader, and a reader that comes back misses nothing
 * that it is not told of exactly. */
#include "driver_client.h"

#include "status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Resident monitoring, begun by a program that is gone again. */
static struct observer *begin(uint64_t ring_size_wanted)
{
	struct observer *observer = observer_create(ring_size_wanted, 0);
	struct driver_client installer;

	driver_client_open(&installer, observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_activate(&installer, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_NOT_FOUND);
	assert_int_equal(driver_client_reside(&installer, true), OBSERVER_OK);
	driver_client_close(&installer);
	return observer;
}

static uint64_t delivered(const struct driver_client *client)
{
	return client->tally.delivered[0] + client->tally.delivered[3];
}

static uint64_t told_lost(const struct driver_client *client)
{
	return client->tally.told_lost[0] + client->tally.told_lost[3];
}

static void a_reader_that_was_away_gets_all_in_order(void **state)
{
	struct observer *observer = begin(16u << 20);
	struct driver_client reader;

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_OK);
	inject_events(observer, 1000);
	driver_client_drain(&reader);
	assert_int_equal(driver_client_acknowledge(&reader, &reader.token), OBSERVER_OK);
	driver_client_close(&reader);

	inject_events(observer, 20000);
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_OK);
	assert_int_equal(driver_client_drain(&reader), 20000); /* the tally holds their order */
	assert_int_equal(told_lost(&reader), 0);
	driver_client_close(&reader);

	/* It acknowledged nothing: the next one gets the same. */
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	assert_int_equal(driver_client_drain(&reader), 20000);
	driver_client_close(&reader);
	end_observer(observer);
}

static void a_reader_that_was_away_too_long_is_told_what_it_lost(void **state)
{
	struct observer *observer = begin(RING_SIZE_MIN);
	struct ioctl_information information;
	struct driver_client reader;

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	inject_events(observer, 100);
	driver_client_drain(&reader);
	driver_client_acknowledge(&reader, &reader.token);
	driver_client_close(&reader);

	inject_events(observer, 30000);
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_query(&reader, &information);
	assert_int_equal(information.number, 30100);
	assert_int_equal(
	    information.resident_token.passed[0] + information.resident_token.passed[3], 100);
	assert_int_equal(information.resident_lost[0], 0);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	driver_client_drain(&reader);
	assert_true(told_lost(&reader) > 25000);
	assert_int_equal(delivered(&reader) + told_lost(&reader), 30000);
	assert_int_equal(reader.tally.delivered[0] + reader.tally.told_lost[0], 15000);

	/* What it lost is settled with the acknowledgement. */
	driver_client_acknowledge(&reader, &reader.token);
	driver_client_query(&reader, &information);
	assert_int_equal(information.resident_lost[0], reader.tally.told_lost[0]);
	assert_int_equal(information.resident_lost[3], reader.tally.told_lost[3]);
	assert_int_equal(information.resident_token.position, information.head);
	driver_client_close(&reader);
	end_observer(observer);
}

static void there_is_one_reader(void **state)
{
	struct observer *observer = begin(0);
	struct ioctl_information information;
	struct driver_client reader, other;

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_open(&other, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	assert_int_equal(driver_client_activate(&other, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_SHARING_VIOLATION);
	assert_int_equal(driver_client_activate(&other, 0, NULL), OBSERVER_OK);
	inject_events(observer, 10);
	driver_client_drain(&other);
	assert_int_equal(driver_client_acknowledge(&other, &other.token), OBSERVER_INVALID_STATE);
	driver_client_query(&other, &information);
	assert_int_equal(information.resident_holder, 4242);
	assert_int_equal(information.clients, 2);
	assert_string_equal(information.resident_version, "test");
	assert_true(information.resident_since_ns > 0);
	assert_int_equal(information.flags, IOCTL_DRIVER_MONITORS | IOCTL_DRIVER_RESIDENT);

	driver_client_close(&reader);
	driver_client_query(&other, &information);
	assert_int_equal(information.resident_holder, 0);
	driver_client_deactivate(&other);
	assert_int_equal(driver_client_activate(&other, IOCTL_ACTIVATE_RESIDENT, NULL),
			 OBSERVER_OK);

	/* When residence ends, its reader goes on as any other. */
	assert_int_equal(driver_client_reside(&other, false), OBSERVER_OK);
	inject_events(observer, 10);
	assert_int_equal(driver_client_drain(&other), 20);
	assert_int_equal(driver_client_acknowledge(&other, &other.token), OBSERVER_INVALID_STATE);
	driver_client_query(&other, &information);
	assert_int_equal(information.flags, IOCTL_DRIVER_MONITORS);
	driver_client_close(&other);
	assert_false(host_observes());
	end_observer(observer);
}

static void only_what_was_read_is_acknowledged(void **state)
{
	struct observer *observer = begin(RING_SIZE_MIN);
	struct driver_client reader;

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	struct ioctl_token start = reader.token;
	inject_events(observer, 10);
	driver_client_drain(&reader);
	struct ioctl_token ten = reader.token;
	inject_events(observer, 10);

#define REFUSED(base, changed)                                                                     \
	do {                                                                                       \
		struct ioctl_token other = base;                                                   \
		changed;                                                                           \
		assert_int_equal(driver_client_acknowledge(&reader, &other),                       \
				 OBSERVER_INVALID_PARAMETER);                                      \
	} while (0)
	REFUSED(ten, other.position += 8);
	REFUSED(ten, other.position -= 8);
	REFUSED(ten, other.stream++);
	REFUSED(ten, other.passed[0]--);
	REFUSED(ten, other.passed[2]++);
	struct ioctl_information information;
	driver_client_query(&reader, &information);
	struct ioctl_token twenty = {information.stream, information.head, {10, 0, 0, 10}};
	REFUSED(twenty, (void)0); /* valid, but not read */
	assert_int_equal(driver_client_acknowledge(&reader, &ten), OBSERVER_OK);
	assert_int_equal(driver_client_acknowledge(&reader, &ten), OBSERVER_OK);
	REFUSED(start, (void)0); /* it does not go back */
	driver_client_drain(&reader);
	assert_int_equal(driver_client_acknowledge(&reader, &twenty), OBSERVER_OK);

	/* What has been evicted since it was read can be acknowledged all the same. */
	inject_events(observer, 50);
	driver_client_read(&reader);
	struct ioctl_token read = reader.token;
	inject_events(observer, 20000);
	REFUSED(read, other.passed[3] += 1000000);
	REFUSED(read, other.position += 8);
	assert_int_equal(driver_client_acknowledge(&reader, &read), OBSERVER_OK);
	driver_client_close(&reader);
	end_observer(observer);
}

/*
 * A user who keeps, with every acknowledgement, what it knew there, is killed at any time, and goes
 * on from there. driver_client_take() holds each hole in the numbers against what is told of it.
 */
struct place {
	struct ioctl_token token;
	struct tally tally;
};

#define PLACES_MAX 65536

static struct place places[PLACES_MAX];
static size_t place_count;

static void note_place(const struct ioctl_token *token, const struct tally *tally)
{
	if (place_count < PLACES_MAX)
		places[place_count++] = (struct place){*token, *tally};
}

/* The token that names the first record after an overrun: who goes on there is told of it. */
static void an_overrun_belongs_to_the_record_after_it(void **state)
{
	struct observer *observer = begin(RING_SIZE_MIN);
	struct driver_client reader;

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	inject_events(observer, 10);
	driver_client_drain(&reader);
	inject_events(observer, 20000);
	place_count = 0;
	reader.on_record = note_place;
	driver_client_read(&reader);
	struct place place = places[0];
	assert_int_equal(place.tally.told_lost[0], 0);
	assert_int_equal(driver_client_acknowledge(&reader, &place.token), OBSERVER_OK);
	driver_client_close(&reader);

	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	assert_memory_equal(&reader.token, &place.token, sizeof place.token);
	reader.tally = place.tally;
	driver_client_drain(&reader);
	assert_int_equal(delivered(&reader) + told_lost(&reader), 20010);
	driver_client_close(&reader);
	end_observer(observer);
}

static void a_reader_may_die_at_any_time(void **state)
{
	struct observer *observer = begin(RING_SIZE_MIN);
	struct driver_client reader;
	struct place safe;
	unsigned deaths = 0, overruns = 0;

	(void)state;
	srand(7);
	place_count = 0;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	reader.on_record = note_place;
	safe = (struct place){reader.token, reader.tally};
	for (int step = 0; step < 6000; step++) {
		int what = rand() % 100;

		if (what < 40) {
			inject_events(observer, what < 4 ? 2500 : rand() % 100);
		} else if (what < 75) {
			uint64_t before = told_lost(&reader);
			if (driver_client_read_begin(&reader) == OBSERVER_PENDING)
				host_read_cancel(&reader.read);
			else
				driver_client_take(&reader);
			overruns += told_lost(&reader) > before;
		} else if (what < 90 && place_count) {
			size_t which = (size_t)rand() % place_count;
			safe = places[which];
			assert_int_equal(driver_client_acknowledge(&reader, &safe.token),
					 OBSERVER_OK);
			place_count -= which + 1;
			memmove(places, places + which + 1, place_count * sizeof *places);
		} else if (what >= 95) {
			driver_client_close(&reader);
			driver_client_open(&reader, observer, READ_SIZE_MIN);
			assert_int_equal(
			    driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL),
			    OBSERVER_OK);
			assert_memory_equal(&reader.token, &safe.token, sizeof safe.token);
			reader.tally = safe.tally;
			reader.on_record = note_place;
			place_count = 0;
			deaths++;
		}
	}
	assert_true(deaths > 100 && overruns > 20);
	driver_client_drain(&reader);
	struct ioctl_information information;
	driver_client_query(&reader, &information);
	assert_int_equal(delivered(&reader) + told_lost(&reader), information.number);
	driver_client_close(&reader);
	end_observer(observer);
}

/* More overruns than are remembered: told too much, never too little, and never nonsense. */
static void overruns_beyond_memory_err_on_the_safe_side(void **state)
{
	struct observer *observer = begin(RING_SIZE_MIN);
	struct driver_client reader;
	struct ioctl_token token = {0};
	struct tally tally = {0};

	(void)state;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_activate(&reader, IOCTL_ACTIVATE_RESIDENT, NULL);
	for (int i = 0; i < PASSAGES_MAX + 100; i++) {
		inject_events(observer, 1200);
		assert_int_equal(driver_client_read(&reader), OBSERVER_OK);
		if (i == PASSAGES_MAX + 50) {
			token = reader.token;
			tally = reader.tally;
		}
	}
	assert_int_equal(observer->clients.resident.passage_count, PASSAGES_MAX);
	assert_int_equal(driver_client_acknowledge(&reader, &token), OBSERVER_OK);
	driver_client_close(&reader);

	struct ioctl_information information;
	driver_client_open(&reader, observer, READ_SIZE_MIN);
	driver_client_query(&reader, &information);
	assert_true(information.resident_lost[0] >= tally.told_lost[0]);
	assert_true(information.resident_lost[0] + information.resident_lost[3] <=
		    information.number);
	driver_client_close(&reader);
	end_observer(observer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reader_that_was_away_gets_all_in_order),
	    cmocka_unit_test(a_reader_that_was_away_too_long_is_told_what_it_lost),
	    cmocka_unit_test(there_is_one_reader),
	    cmocka_unit_test(only_what_was_read_is_acknowledged),
	    cmocka_unit_test(an_overrun_belongs_to_the_record_after_it),
	    cmocka_unit_test(a_reader_may_die_at_any_time),
	    cmocka_unit_test(overruns_beyond_memory_err_on_the_safe_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
