/* SPDX-License-Identifier: MIT */
/* Clients: what each is told, tokens, events, reads that wait, and what a failure leaves. */
#include "driver_client.h"

#include "status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t told(const struct driver_client *client)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		sum += client->tally.delivered[kind] + client->tally.told_lost[kind];
	return sum;
}

static void the_kernel_is_told_to_call_while_somebody_wants_it(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client first, second;

	(void)state;
	assert_false(host_observes());
	driver_client_open(&first, observer, READ_SIZE_MIN);
	driver_client_open(&second, observer, READ_SIZE_MIN);
	assert_false(host_observes());
	assert_int_equal(driver_client_activate(&first, 0, NULL), OBSERVER_OK);
	assert_true(host_observes());
	assert_int_equal(driver_client_activate(&first, 0, NULL), OBSERVER_INVALID_STATE);
	assert_int_equal(driver_client_activate(&second, 0, NULL), OBSERVER_OK);
	assert_int_not_equal(first.id, second.id);
	assert_int_equal(driver_client_deactivate(&first), OBSERVER_OK);
	assert_int_equal(driver_client_deactivate(&first), OBSERVER_INVALID_STATE);
	assert_true(host_observes());
	driver_client_close(&second);
	assert_false(host_observes());

	assert_int_equal(driver_client_reside(&first, true), OBSERVER_OK);
	assert_true(host_observes());
	driver_client_close(&first);
	assert_true(host_observes());
	end_observer(observer);
}

static void each_is_told_its_own_losses(void **state)
{
	struct observer *observer = observer_create(RING_SIZE_MIN, 0);
	struct driver_client fast, slow, late;

	(void)state;
	driver_client_open(&fast, observer, READ_SIZE_MIN);
	driver_client_open(&slow, observer, READ_SIZE_MIN);
	driver_client_open(&late, observer, READ_SIZE_MIN);
	driver_client_activate(&fast, 0, NULL);
	driver_client_activate(&slow, 0, NULL);
	for (int i = 0; i < 50; i++) {
		inject_events(observer, 100);
		driver_client_drain(&fast);
		if (i == 20)
			driver_client_read(&slow);
		if (i == 30)
			driver_client_activate(&late, 0, NULL);
	}
	driver_client_drain(&slow);
	driver_client_drain(&late);
	assert_int_equal(told(&fast), 5000);
	assert_int_equal(fast.tally.told_lost[0] + fast.tally.told_lost[3], 0);
	assert_int_equal(told(&slow), 5000);
	assert_true(slow.tally.told_lost[0] > 1000 && slow.tally.told_lost[3] > 1000);
	assert_int_equal(slow.tally.delivered[0] + slow.tally.told_lost[0], 2500);
	assert_int_equal(told(&late), 1900);
	driver_client_close(&fast);
	driver_client_close(&slow);
	driver_client_close(&late);
	end_observer(observer);
}

static void the_event_is_set_while_there_is_something(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client client;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	assert_false(host_event_is_set(client.id));
	inject_events(observer, 2000); /* more than a batch */
	assert_true(host_event_is_set(client.id));
	assert_int_equal(driver_client_read(&client), OBSERVER_OK);
	assert_true(host_event_is_set(client.id));
	while (host_event_is_set(client.id))
		assert_int_equal(driver_client_read(&client), OBSERVER_OK);
	assert_int_equal(told(&client), 2000);

	/* A read that waits takes what comes: nothing is left to be told of. */
	assert_int_equal(driver_client_read_begin(&client), OBSERVER_PENDING);
	inject_events(observer, 1);
	assert_true(host_read_is_done(&client.read));
	assert_false(host_event_is_set(client.id));
	assert_int_equal(driver_client_take(&client), OBSERVER_OK);
	assert_int_equal(told(&client), 2001);
	driver_client_close(&client);
	end_observer(observer);
}

/* A second request beside the client's own. */
static int32_t read_too(struct driver_client *client, struct os_read *read, uint64_t *buffer)
{
	struct ioctl_read input = {{sizeof input, IOCTL_PROCOBSRV_VERSION}};
	size_t written;

	memcpy(buffer, &input, sizeof input);
	host_read_begin(read, buffer, READ_SIZE_MIN);
	struct request request = {IOCTL_PROCOBSRV_READ, buffer, sizeof input, READ_SIZE_MIN, read};
	return request_serve(client->observer, client->client, &request, &written);
}

static void one_read_waits(void **state)
{
	struct observer *observer = observer_create(0, 0);
	uint64_t *buffer = malloc(READ_SIZE_MIN);
	struct driver_client client;
	struct os_read second;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_read_begin(&client), OBSERVER_INVALID_STATE);
	driver_client_activate(&client, 0, NULL);
	assert_int_equal(driver_client_read_begin(&client), OBSERVER_PENDING);
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_DEVICE_BUSY);

	host_read_cancel(&client.read);
	assert_int_equal(client.read.status, OBSERVER_CANCELLED);
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_PENDING);
	host_read_cancel(&second);

	/* Cancelled before it could wait. */
	host_read_begin(&second, buffer, READ_SIZE_MIN);
	host_read_cancel(&second);
	struct ioctl_read input = {{sizeof input, IOCTL_PROCOBSRV_VERSION}};
	size_t written;
	memcpy(buffer, &input, sizeof input);
	struct request request = {IOCTL_PROCOBSRV_READ, buffer, sizeof input, READ_SIZE_MIN,
				  &second};
	assert_int_equal(request_serve(observer, client.client, &request, &written),
			 OBSERVER_CANCELLED);
	driver_client_close(&client);
	free(buffer);
	end_observer(observer);
}

static void a_read_ends_with_its_client(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client client;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	driver_client_read_begin(&client);
	assert_int_equal(driver_client_deactivate(&client), OBSERVER_OK);
	assert_true(host_read_is_done(&client.read));
	assert_int_equal(client.read.status, OBSERVER_CANCELLED);

	driver_client_activate(&client, 0, NULL);
	driver_client_read_begin(&client);
	observer_detach(observer, client.client);
	assert_int_equal(client.read.status, OBSERVER_CANCELLED);
	/* Requests that were under way: none leaves anything behind. */
	assert_int_equal(driver_client_read_begin(&client), OBSERVER_INVALID_STATE);
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_INVALID_STATE);
	observer_detach(observer, client.client);
	driver_client_close(&client);
	end_observer(observer);
}

/* A cancel routine that has begun on another processor when the client goes or a record comes. */
static void a_cancel_that_is_under_way_is_waited_for_by_nobody(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client client;
	struct os_read second;
	uint64_t *buffer = malloc(READ_SIZE_MIN);

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	driver_client_read_begin(&client);
	assert_true(host_read_cancel_begin(&client.read));
	inject_events(observer, 1); /* not for that read: the event says so */
	assert_true(host_event_is_set(client.id));
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_OK);
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_DEVICE_BUSY);
	host_read_cancel_finish(&client.read);
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_PENDING);
	host_read_cancel(&second);

	driver_client_read_begin(&client);
	assert_true(host_read_cancel_begin(&client.read));
	assert_int_equal(driver_client_deactivate(&client), OBSERVER_OK);
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_OK);
	assert_int_equal(read_too(&client, &second, buffer), OBSERVER_PENDING);
	host_read_cancel_finish(&client.read); /* of an activation that is over */
	assert_false(host_read_is_done(&second));
	host_read_cancel(&second);
	driver_client_close(&client);
	free(buffer);
	end_observer(observer);
}

static void a_token_resumes(void **state)
{
	struct observer *observer = observer_create(RING_SIZE_MIN, 0);
	struct driver_client keeper, client;

	(void)state;
	driver_client_open(&keeper, observer, READ_SIZE_MIN);
	driver_client_activate(&keeper, 0, NULL);
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	inject_events(observer, 100);
	driver_client_drain(&client);
	struct ioctl_token token = client.token;
	driver_client_close(&client);

	inject_events(observer, 300);
	driver_client_open(&client, observer, READ_SIZE_MIN);
	assert_int_equal(driver_client_activate(&client, IOCTL_ACTIVATE_RESUME, &token),
			 OBSERVER_OK);
	assert_true(host_event_is_set(client.id));
	assert_int_equal(client.token.position, token.position);
	driver_client_drain(&client);
	assert_int_equal(client.tally.delivered[0] + client.tally.delivered[3], 300);
	driver_client_deactivate(&client);

	inject_events(observer, 20000); /* many times the ring */
	assert_int_equal(driver_client_activate(&client, IOCTL_ACTIVATE_RESUME, &token),
			 OBSERVER_OK);
	driver_client_drain(&client);
	assert_int_equal(told(&client), 20300);
	assert_int_equal(client.tally.delivered[0] + client.tally.told_lost[0], 10150);
	assert_true(client.tally.told_lost[0] > 9000);
	driver_client_close(&client);
	driver_client_close(&keeper);
	end_observer(observer);
}

static void a_token_must_be_of_this_ring(void **state)
{
	struct observer *observer = observer_create(RING_SIZE_MIN, 0);
	struct driver_client client;
	struct ioctl_token token;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	inject_events(observer, 10);
	driver_client_drain(&client);
	token = client.token;
	inject_events(observer, 10);
	driver_client_deactivate(&client);

#define REFUSED(changed)                                                                           \
	do {                                                                                       \
		struct ioctl_token other = token;                                                  \
		changed;                                                                           \
		assert_int_equal(driver_client_activate(&client, IOCTL_ACTIVATE_RESUME, &other),   \
				 OBSERVER_INVALID_PARAMETER);                                      \
	} while (0)
	REFUSED(other.stream++);
	REFUSED(other.stream = 0);
	REFUSED(other.position += 8);
	REFUSED(other.position -= 8);
	REFUSED(other.position += 1);
	REFUSED(other.position = UINT64_MAX - 7);
	REFUSED(other.passed[0]++);
	REFUSED(other.passed[3]--);
	REFUSED(other.passed[1] = 1);
	REFUSED((other.passed[0]++, other.passed[3]--));
	REFUSED(memset(other.passed, 0, sizeof other.passed));
	assert_int_equal(driver_client_activate(&client, IOCTL_ACTIVATE_RESUME, &token),
			 OBSERVER_OK);

	inject_events(observer, 20000);
	driver_client_deactivate(&client);
	/* Now it lies before all that is kept: only the counts can be looked at. */
	REFUSED(other.passed[0] = 1000000);
	REFUSED(other.passed[2] = 1);
	assert_int_equal(driver_client_activate(&client, IOCTL_ACTIVATE_RESUME, &token),
			 OBSERVER_OK);
	driver_client_close(&client);
	end_observer(observer);
}

static void a_small_batch_is_whole(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client client;
	static uint16_t units[32767];
	struct observation observation;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	driver_client_activate(&client, 0, NULL);
	for (int i = 0; i < 3; i++) {
		make_observation(&observation, RECORD_START, 0);
		observation.process.start_ns = 1;
		for (uint32_t unit = 0; unit < 32767; unit++)
			units[unit] = (uint16_t)unit;
		observation.command_line = (struct observed_text){units, 65534, RECORD_WHOLE};
		observer_keep(observer, &observation);
	}
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(driver_client_read(&client), OBSERVER_OK);
		assert_int_equal(client.tally.delivered[0], i);
	}
	driver_client_close(&client);
	end_observer(observer);
}

/* Whatever of a beginning fails, nothing is left of it and the next one works. */
static void a_failure_half_way_leaves_nothing(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		host_fail(&(struct host_failures){.allocation = n});
		struct observer *observer = observer_create(0, 0);
		if (observer) {
			assert_int_equal(n, 5); /* state, gate, lock, ring */
			observer_destroy(observer);
			break;
		}
		assert_int_equal(host_left(), 0);
	}
	host_fail(&(struct host_failures){0});

	struct observer *observer = observer_create(0, 0);
	struct driver_client client;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	unsigned before = host_left();
	host_fail(&(struct host_failures){.allocation = 1});
	assert_null(observer_open(observer, 1));
	host_fail(&(struct host_failures){.allocation = 1});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_NO_MEMORY);
	host_fail(&(struct host_failures){.event = 1, .event_status = OBSERVER_NOT_FOUND});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_NOT_FOUND);
	host_fail(&(struct host_failures){.observe_status = OBSERVER_INVALID_PARAMETER});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_INVALID_PARAMETER);
	assert_int_equal(driver_client_reside(&client, true), OBSERVER_INVALID_PARAMETER);
	assert_int_equal(host_left(), before);
	assert_false(host_observes());
	struct ioctl_information information;
	driver_client_query(&client, &information);
	assert_int_equal(information.clients, 0);
	assert_int_equal(information.flags, 0);
	assert_int_equal(information.resident_since_ns, 0);

	host_fail(&(struct host_failures){0});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_OK);
	driver_client_close(&client);
	end_observer(observer);
}

static void names_that_somebody_took_are_passed_over(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client client;

	(void)state;
	driver_client_open(&client, observer, READ_SIZE_MIN);
	host_fail(&(struct host_failures){
	    .event = 1, .event_repeat = 99, .event_status = OBSERVER_NAME_COLLISION});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_OK);
	assert_int_equal(client.id, 100);
	driver_client_deactivate(&client);
	host_fail(&(struct host_failures){
	    .event = 1, .event_repeat = 1000, .event_status = OBSERVER_NAME_COLLISION});
	assert_int_equal(driver_client_activate(&client, 0, NULL), OBSERVER_NAME_COLLISION);
	host_fail(&(struct host_failures){0});
	driver_client_close(&client);
	end_observer(observer);
}

/* What a system does that unloads while handles are open. */
static void unloading_ends_all_clients(void **state)
{
	struct observer *observer = observer_create(0, 0);
	struct driver_client first, second;

	(void)state;
	driver_client_open(&first, observer, READ_SIZE_MIN);
	driver_client_open(&second, observer, READ_SIZE_MIN);
	driver_client_activate(&first, 0, NULL);
	driver_client_activate(&second, 0, NULL);
	driver_client_reside(&second, true);
	driver_client_read_begin(&first);
	end_observer(observer);
	assert_int_equal(first.read.status, OBSERVER_CANCELLED);
	free(first.reply);
	free(second.reply);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_kernel_is_told_to_call_while_somebody_wants_it),
	    cmocka_unit_test(each_is_told_its_own_losses),
	    cmocka_unit_test(the_event_is_set_while_there_is_something),
	    cmocka_unit_test(one_read_waits),
	    cmocka_unit_test(a_read_ends_with_its_client),
	    cmocka_unit_test(a_cancel_that_is_under_way_is_waited_for_by_nobody),
	    cmocka_unit_test(a_token_resumes),
	    cmocka_unit_test(a_token_must_be_of_this_ring),
	    cmocka_unit_test(a_small_batch_is_whole),
	    cmocka_unit_test(a_failure_half_way_leaves_nothing),
	    cmocka_unit_test(names_that_somebody_took_are_passed_over),
	    cmocka_unit_test(unloading_ends_all_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
