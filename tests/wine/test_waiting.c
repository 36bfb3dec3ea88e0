/* SPDX-License-Identifier: MIT */
/* Reads that wait, how they end, and the event that tells of records. */
#include "driver_tests.h"
#include "helper_client.h"
#include "tap.h"

#include <stdio.h>

static bool begin_client(struct client *client)
{
	DWORD error = client_open(client, 0);

	if (!error)
		error = client_activate(client, IOCTL_ACTIVATE, NULL);
	return check(error == 0, "a client could not activate: error %lu", error);
}

static void inject_few(uint32_t events)
{
	struct helper_injection injection = {
	    .threads = 1,
	    .events = events,
	    .kinds = 1u << HELPER_EXIT,
	    .first_pid = 0x1000000,
	};

	if (helper_inject(&injection, NULL))
		helper_wait(60000);
}

static void expect_waiting(struct client *client)
{
	DWORD error = client_begin_read(client);

	check(error == ERROR_IO_PENDING, "a read of nothing ends at once: error %lu", error);
}

void test_cancel(void)
{
	struct client client;

	if (!begin())
		return;
	if (begin_client(&client)) {
		for (int round = 0; round < 100; round++) {
			expect_waiting(&client);
			CancelIoEx(client.device, &client.overlapped);
			DWORD error = client_end_read(&client, CLIENT_LIMIT_MS);
			check(error == ERROR_OPERATION_ABORTED, "cancelled: error %lu", error);
		}
		/* Nothing of it is left: the next one is served. */
		expect_waiting(&client);
		inject_few(1);
		check(client_end_read(&client, CLIENT_LIMIT_MS) == 0 &&
			  client_batch(&client)->count == 1,
		      "the read after a cancelled one is not served");
		client_close(&client);
	}
	end();
}

void test_second_read(void)
{
	struct client client, second;

	if (!begin())
		return;
	if (begin_client(&client)) {
		expect_waiting(&client);
		second = client;
		second.finished = CreateEventW(NULL, TRUE, FALSE, NULL);
		DWORD error = client_begin_read(&second);
		if (error == ERROR_IO_PENDING)
			error = client_end_read(&second, CLIENT_LIMIT_MS);
		check(error == ERROR_BUSY, "a second read: error %lu", error);
		CloseHandle(second.finished);
		inject_few(1);
		check(client_end_read(&client, CLIENT_LIMIT_MS) == 0,
		      "the first one is not served");
		client_close(&client);
	}
	end();
}

void test_deactivate_while_waiting(void)
{
	struct client client;
	struct ioctl_information information = {0};

	if (!begin())
		return;
	if (begin_client(&client)) {
		expect_waiting(&client);
		check(client_deactivate(&client) == 0, "it cannot deactivate");
		DWORD error = client_end_read(&client, CLIENT_LIMIT_MS);
		check(error == ERROR_OPERATION_ABORTED, "its read: error %lu", error);
		client_query(&client, &information);
		check(information.clients == 0 && !(information.flags & IOCTL_DRIVER_MONITORS),
		      "%u clients are left, flags %#x", information.clients, information.flags);
		check(client_deactivate(&client) != 0, "it can deactivate twice");
		check(client_activate(&client, IOCTL_ACTIVATE, NULL) == 0,
		      "it cannot activate again");
		check(client_activate(&client, IOCTL_ACTIVATE, NULL) != 0, "it can do so twice");
		client_close(&client);
	}
	end();
}

/* Without a client nobody is called, and the driver waits for the next one. */
static void expect_no_clients(void)
{
	struct client watcher;
	struct ioctl_information information = {.clients = 1};

	if (!check(client_open(&watcher, 0) == 0, "the device cannot be opened"))
		return;
	for (int attempt = 0; attempt < 3000 && information.clients > 0; attempt++) {
		client_query(&watcher, &information);
		if (information.clients > 0)
			Sleep(10);
	}
	check(information.clients == 0 && !(information.flags & IOCTL_DRIVER_MONITORS),
	      "%u clients are left, flags %#x", information.clients, information.flags);
	check(helper_query().registered == 0, "a callback is still registered");
	client_close(&watcher);
}

/* Wine tells the driver of the handle only when the read has ended: the next event ends it. */
void test_close_while_waiting(void)
{
	struct client client, other;

	if (!begin())
		return;
	if (begin_client(&client) && begin_client(&other)) {
		expect_waiting(&client);
		CloseHandle(client.device);
		inject_few(10);
		check(client_read(&other, CLIENT_LIMIT_MS) == 0, "the other client is not served");
		WaitForSingleObject(client.finished, CLIENT_LIMIT_MS);
		client.device = NULL;
		client.waiting = false;
		client_close(&client);
		client_close(&other);
		expect_no_clients();
	}
	end();
}

void test_killed_while_waiting(void)
{
	struct reader_process process;

	if (!begin())
		return;
	if (reader_process_start(&process, true, 0)) {
		check(helper_query().registered == 1, "it has not activated");
		reader_process_kill(&process);
		expect_no_clients();
	}
	end();
}

static HANDLE open_event(const struct client *client)
{
	wchar_t name[64];
	HANDLE event;

	swprintf(name, 64, L"%ls%u", PROCOBSRV_CLIENT_EVENT_PREFIX, client->id);
	event = OpenEventW(SYNCHRONIZE, FALSE, name);
	check(event != NULL, "there is no event %ls: error %lu", name, GetLastError());
	return event;
}

static bool is_set(HANDLE event)
{
	return WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
}

void test_event(void)
{
	struct client client;

	if (!begin())
		return;
	if (begin_client(&client)) {
		HANDLE event = open_event(&client);

		check(!is_set(event), "it is set before anything has happened");
		inject_few(1000);
		check(is_set(event) && is_set(event) && is_set(event),
		      "it is not set as long as there are records");
		/* Less than all: 200 kB of records, 64 kB of buffer. */
		check(client_read(&client, CLIENT_LIMIT_MS) == 0, "the records cannot be read");
		check(is_set(event), "it is reset, and there are records left");
		while (client_has_more(&client) && client_read(&client, CLIENT_LIMIT_MS) == 0)
			continue;
		check(!is_set(event), "it is set, and there is no record left");
		inject_few(1);
		check(is_set(event), "it is not set a second time");
		client_close(&client);
		CloseHandle(event);
		expect_no_clients();
	}
	end();
}

void test_clients_are_apart(void)
{
	struct client one, other;

	if (!begin())
		return;
	if (begin_client(&one) && begin_client(&other)) {
		HANDLE event_of_one = open_event(&one);
		HANDLE event_of_other = open_event(&other);

		check(one.id != other.id, "two clients have one number");
		inject_few(3);
		check(client_read(&one, CLIENT_LIMIT_MS) == 0 && client_batch(&one)->count == 3,
		      "the one does not get all three");
		check(!is_set(event_of_one) && is_set(event_of_other),
		      "the one's reading is taken for the other's");
		check(client_read(&other, CLIENT_LIMIT_MS) == 0 && client_batch(&other)->count == 3,
		      "the other does not get all three");
		CloseHandle(event_of_one);
		CloseHandle(event_of_other);
		client_close(&one);
		client_close(&other);
		expect_no_clients();
	}
	end();
}
