/* SPDX-License-Identifier: MIT */
/* Loading, unloading, and what is left behind: nothing. */
#include "driver_tests.h"
#include "helper_client.h"
#include "service.h"
#include "tap.h"

#define REMOVALS 50

void test_start_stop(void)
{
	struct client client;
	struct ioctl_information information = {0};

	if (!begin())
		return;
	check(client_open(&client, 0) == 0 && client_query(&client, &information) == 0,
	      "the driver does not answer");
	check(information.clients == 0 && information.number == 0 && information.head == 0 &&
		  information.stream != 0,
	      "a new driver is not new");
	check(information.flags == IOCTL_DRIVER_HAS_COMMAND_LINE, "flags %#x", information.flags);
	check(helper_query().registered == 0, "it watches before anybody has asked it");
	note("a ring of %llu bytes", (unsigned long long)information.ring_size);
	client_close(&client);
	check(service_stop(PROCOBSRV_SERVICE_NAME) == 0, "it does not stop");
	check(service_start(PROCOBSRV_SERVICE_NAME) == 0, "it does not start again");
	end();
}

/* Its device is open and a read waits or is served when it is removed, or it was just closed. */
static void remove_while_events_flow(int round)
{
	struct client client;
	struct tally tally = {0};

	if (!begin())
		return;
	if (check(client_open(&client, 0) == 0 &&
		      client_activate(&client, IOCTL_ACTIVATE, NULL) == 0,
		  "round %d: a client could not activate", round)) {
		check(tally_until(&tally, &client, client.token.position + 2000, 0) == 0,
		      "round %d: no events come", round);
		if (round % 2)
			client_close(&client);
	}
	end();
	if (round % 2 == 0)
		client_close(&client);
}

void test_removed_while_events_flow(void)
{
	struct helper_injection injection = {
	    .threads = 4,
	    .events = HELPER_EVENTS_MAX,
	    .kinds = (1u << HELPER_START) | (1u << HELPER_EXIT),
	    .first_pid = 0x1000000,
	    .burst = 20,
	    .pause_ms = 1,
	};
	struct helper_state before = helper_query(), after;

	for (int round = 0; round < REMOVALS; round++) {
		/* They flow for a minute; all rounds take longer on a busy machine. */
		if (round % 5 == 0) {
			helper_halt();
			if (!helper_inject(&injection, NULL))
				break;
		}
		remove_while_events_flow(round);
	}
	helper_halt();
	after = helper_query();
	note("%llu events heard, %llu unheard",
	     (unsigned long long)(after.injected[0] + after.injected[1] - before.injected[0] -
				  before.injected[1]),
	     (unsigned long long)(after.unheard[0] + after.unheard[1] - before.unheard[0] -
				  before.unheard[1]));
}

/* Under `conditions` the driver does not start; without them it does, as if nothing had been. */
static void start_in_vain(uint32_t conditions)
{
	DWORD error;

	helper_set_conditions(conditions);
	error = driver_begin(driver_path);
	check(error != 0, "the driver starts all the same");
	note("the driver does not start: error %lu", error);
	if (error == 0)
		driver_end();
	/* What the one condition takes now was free before: nothing was left behind. */
	helper_set_conditions(0);
	helper_set_conditions(HELPER_TAKE_DEVICE | HELPER_TAKE_LINK);
	helper_set_conditions(0);
	driver_expect_gone();
	if (begin())
		end();
}

void test_device_taken(void)
{
	start_in_vain(HELPER_TAKE_DEVICE);
}

void test_link_taken(void)
{
	start_in_vain(HELPER_TAKE_LINK);
}

void test_registration_refused(void)
{
	struct client client;
	struct ioctl_information information = {0};

	if (!begin())
		return;
	helper_set_conditions(HELPER_REFUSE_REGISTRATION);
	if (check(client_open(&client, 0) == 0, "the device cannot be opened")) {
		check(client_activate(&client, IOCTL_ACTIVATE, NULL) != 0,
		      "it activates without a callback");
		check(client_reside(&client, true) != 0, "it resides without a callback");
		check(client_query(&client, &information) == 0 && information.clients == 0 &&
			  !(information.flags & (IOCTL_DRIVER_MONITORS | IOCTL_DRIVER_RESIDENT)),
		      "%u clients, flags %#x", information.clients, information.flags);
		helper_set_conditions(0);
		check(client_activate(&client, IOCTL_ACTIVATE, NULL) == 0,
		      "it does not activate when there is room again");
		check(helper_query().registered == 1, "no callback is registered");
		client_close(&client);
	}
	end();
}
