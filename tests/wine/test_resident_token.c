/* SPDX-License-Identifier: MIT */
/* Monitoring that goes on without a reader, and readers that come back. */
#include "driver_tests.h"
#include "helper_client.h"
#include "tap.h"

#include <string.h>

#define FIRST_PID 0x1000000u
#define RECORD_SIZE                                                                                \
	(sizeof(struct record_header) + sizeof(struct record_body) + sizeof(struct record_exit))
#define ABSENT_EVENTS 20000 /* of RECORD_SIZE each: what the ring of 4 MiB can hold */

static bool make_resident(struct client *client)
{
	DWORD error = client_open(client, 0);

	if (!error)
		error = client_reside(client, true);
	return check(error == 0, "monitoring cannot be made resident: error %lu", error);
}

/* `events` exits, with pids from first_pid on, in order. */
static void inject_exits(uint32_t first_pid, uint32_t events)
{
	struct helper_injection injection = {
	    .threads = 1,
	    .events = events,
	    .kinds = 1u << HELPER_EXIT,
	    .first_pid = first_pid,
	};

	if (helper_inject(&injection, NULL))
		helper_wait(60000);
}

static bool resume_resident(struct client *client)
{
	DWORD error = client_open(client, 0);

	if (!error)
		error = client_activate(client, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT, NULL);
	return check(error == 0, "the resident reader cannot begin: error %lu", error);
}

/*
 * Reads `limit` batches (0: all there are), whose pids must follow each other from *next on, except
 * where something was lost.
 */
static void read_in_order(struct client *client, struct tally *tally, uint32_t *next, int limit)
{
	DWORD error = 0;

	for (int batch = 0; !error && (limit == 0 || batch < limit); batch++) {
		const struct record_header *record = NULL;

		/* Not by a read of nothing: on a busy machine it may be given up before it begins.
		 */
		if (limit == 0 && !client_has_more(client))
			break;
		error = client_read(client, CLIENT_LIMIT_MS);
		if (error)
			break;
		while ((record = client_next(client, record))) {
			const struct record_body *body = (const void *)(record + 1);
			uint32_t lost = record->lost[RECORD_LOST_INDEX(RECORD_EXIT)];

			check(body->process.pid == *next + 4 * (lost - (uint32_t)tally->last_lost),
			      "pid %u comes where %u was expected, with %u lost", body->process.pid,
			      *next, lost);
			*next = body->process.pid + 4;
			tally->last_lost = lost;
		}
		uint64_t last_lost = tally->last_lost;
		tally->last_number = 0; /* the order was checked */
		tally_batch(tally, client);
		tally->last_lost = last_lost;
	}
	check(error == 0, "reading failed: error %lu", error);
}

void test_reader_comes_back(void)
{
	struct client owner, client;
	struct tally tally;
	uint32_t next = FIRST_PID;

	memset(&tally, 0, sizeof(tally));
	if (!begin())
		return;
	if (make_resident(&owner) && resume_resident(&client)) {
		inject_exits(FIRST_PID, 100);
		read_in_order(&client, &tally, &next, 0);
		check(client_acknowledge(&client, &client.token) == 0, "it cannot acknowledge");
		client_close(&client);
		client_close(&owner);

		/* Nobody is there. */
		inject_exits(next, ABSENT_EVENTS);
		if (resume_resident(&client)) {
			read_in_order(&client, &tally, &next, 0);
			check(tally.delivered[RECORD_LOST_INDEX(RECORD_EXIT)] ==
				  100 + ABSENT_EVENTS,
			      "%llu events were delivered",
			      (unsigned long long)tally.delivered[RECORD_LOST_INDEX(RECORD_EXIT)]);
			check(sum_of_kinds(tally.lost) == 0, "something was lost");
			check(client_reside(&client, false) == 0, "it stays resident");
			client_close(&client);
		}
		check(helper_query().registered == 0, "a callback is still registered");
	}
	end();
}

void test_reader_gone_too_long(void)
{
	struct client owner, client;
	struct ioctl_information information = {0};
	struct tally tally;
	uint32_t next = FIRST_PID;
	uint32_t events = 3 * ABSENT_EVENTS;

	memset(&tally, 0, sizeof(tally));
	if (!begin())
		return;
	if (make_resident(&owner)) {
		inject_exits(FIRST_PID, events);
		if (resume_resident(&client)) {
			uint64_t lost;

			read_in_order(&client, &tally, &next, 0);
			client_query(&client, &information);
			lost = tally.lost[RECORD_LOST_INDEX(RECORD_EXIT)];
			check(lost > 0 && lost == sum_of_kinds(tally.lost) &&
				  lost == sum_of_kinds(information.evicted),
			      "%llu lost, of which %llu exits; %llu evicted",
			      (unsigned long long)sum_of_kinds(tally.lost),
			      (unsigned long long)lost,
			      (unsigned long long)sum_of_kinds(information.evicted));
			check(tally.delivered[RECORD_LOST_INDEX(RECORD_EXIT)] + lost == events,
			      "delivered and lost are not what was injected");
			check(next == FIRST_PID + 4 * events, "the last one is missing");
			check(client_acknowledge(&client, &client.token) == 0,
			      "it cannot acknowledge");
			client_query(&client, &information);
			check(sum_of_kinds(information.resident_lost) == lost,
			      "the driver tells %llu lost",
			      (unsigned long long)sum_of_kinds(information.resident_lost));
			client_close(&client);
		}
		client_close(&owner);
	}
	end();
}

/* What was read and not acknowledged comes again, with the same positions and numbers. */
void test_unacknowledged_again(void)
{
	struct client owner, client;
	struct tally tally;
	struct ioctl_token acknowledged;
	uint32_t next = FIRST_PID;
	uint32_t again;

	memset(&tally, 0, sizeof(tally));
	if (!begin())
		return;
	if (make_resident(&owner) && resume_resident(&client)) {
		inject_exits(FIRST_PID, 2000);
		read_in_order(&client, &tally, &next, 2);
		acknowledged = client.token;
		again = next;
		check(client_acknowledge(&client, &acknowledged) == 0, "it cannot acknowledge");
		read_in_order(&client, &tally, &next, 2);
		client_close(&client);
		if (resume_resident(&client)) {
			check(memcmp(&client.token, &acknowledged, sizeof(acknowledged)) == 0,
			      "the next reader begins elsewhere");
			read_in_order(&client, &tally, &again, 0);
			check(again == FIRST_PID + 4 * 2000, "not everything came again");
			/* What lies ahead of the reader, or behind it, is no place to be at. */
			check(client_acknowledge(&client, &acknowledged) == 0,
			      "the same place cannot be acknowledged twice");
			acknowledged.position += 4;
			check(client_acknowledge(&client, &acknowledged) != 0,
			      "half a record can be acknowledged");
			client_close(&client);
		}
		client_close(&owner);
	}
	end();
}

void test_one_resident_reader(void)
{
	struct client owner, client, other;

	if (!begin())
		return;
	if (check(client_open(&other, 0) == 0, "the device cannot be opened") &&
	    check(client_activate(&other, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT, NULL) != 0,
		  "there is a resident reader without residence") &&
	    make_resident(&owner) && resume_resident(&client)) {
		struct ioctl_information information = {0};
		DWORD error =
		    client_activate(&other, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT, NULL);

		check(error == ERROR_SHARING_VIOLATION, "a second reader: error %lu", error);
		check(client_query(&other, &information) == 0 &&
			  information.resident_holder == GetCurrentProcessId() &&
			  (information.flags & IOCTL_DRIVER_RESIDENT) &&
			  strcmp(information.resident_version, "test") == 0,
		      "held by %u, flags %#x, version %.32s", information.resident_holder,
		      information.flags, information.resident_version);
		check(client_acknowledge(&other, &client.token) != 0, "anybody acknowledges");
		client_close(&client);
		error = client_activate(&other, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT, NULL);
		check(error == 0, "the place stays taken: error %lu", error);
		client_close(&other);
		client_close(&owner);
	}
	end();
}

/* A client of its own goes on where another left off; with a token that is none, it does not. */
void test_resume_token(void)
{
	struct client keeper, client;
	struct ioctl_token token, wrong;
	struct tally tally;
	uint32_t next = FIRST_PID;

	memset(&tally, 0, sizeof(tally));
	if (!begin())
		return;
	if (make_resident(&keeper) && check(client_open(&client, 0) == 0 &&
						client_activate(&client, IOCTL_ACTIVATE, NULL) == 0,
					    "a client could not activate")) {
		inject_exits(FIRST_PID, 1000);
		read_in_order(&client, &tally, &next, 1);
		token = client.token;
		client_close(&client);

		client_open(&client, 0);
		wrong = token;
		wrong.stream++;
		check(client_activate(&client, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESUME, &wrong) != 0,
		      "a token of another load is taken");
		wrong = token;
		wrong.position += 8;
		check(client_activate(&client, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESUME, &wrong) != 0,
		      "a token within a record is taken");
		wrong = token;
		wrong.passed[0]++;
		check(client_activate(&client, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESUME, &wrong) != 0,
		      "a token with other counts is taken");
		check(client_activate(&client, IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESUME, &token) == 0,
		      "its token is refused");
		read_in_order(&client, &tally, &next, 0);
		check(next == FIRST_PID + 4 * 1000, "not everything was read");
		client_close(&client);
		client_close(&keeper);
	}
	end();
}
