/* SPDX-License-Identifier: MIT */
/* What was injected is what was delivered and what was lost, to each client, by kind. */
#include "driver_tests.h"
#include "helper_client.h"
#include "tap.h"

#include <string.h>

#define EVENTS_PER_THREAD 10000
/* By the plain routine the driver asks for each process by its pid. */
#define PLAIN_EVENTS_PER_THREAD 2500
#define THREADS			4
#define FIRST_PID		0x1000000u

struct reader {
	struct client client;
	struct tally tally;
	DWORD pause_ms; /* after each batch, while there is more to come */
	DWORD error;
	HANDLE thread;
	volatile LONG64 end; /* where all has been read; 0: not known yet */
};

static DWORD WINAPI read_all(void *context)
{
	struct reader *reader = context;

	while (!reader->end || reader->client.token.position < (uint64_t)reader->end) {
		DWORD error = client_read(&reader->client, 100);

		if (error == 0)
			tally_batch(&reader->tally, &reader->client);
		else if (error != WAIT_TIMEOUT) {
			reader->error = error;
			break;
		}
		if (reader->pause_ms && !reader->end)
			Sleep(reader->pause_ms);
	}
	return 0;
}

static bool start_reader(struct reader *reader, DWORD pause_ms, DWORD buffer_size)
{
	DWORD error;

	memset(reader, 0, sizeof(*reader));
	reader->pause_ms = pause_ms;
	reader->tally.first_pid = FIRST_PID;
	error = client_open(&reader->client, buffer_size);
	if (!error)
		error = client_activate(&reader->client, IOCTL_ACTIVATE, NULL);
	if (!check(error == 0, "a client could not activate: error %lu", error))
		return false;
	reader->thread = CreateThread(NULL, 0, read_all, reader, 0, NULL);
	return check(reader->thread != NULL, "no thread for a reader");
}

static void finish_reader(struct reader *reader, uint64_t end)
{
	reader->end = (LONG64)end;
	if (!check(WaitForSingleObject(reader->thread, 60000) == WAIT_OBJECT_0,
		   "a reader does not come to the end"))
		return; /* it still uses what it has */
	CloseHandle(reader->thread);
	check(reader->error == 0, "reading failed: error %lu", reader->error);
	client_close(&reader->client);
}

/* By kind, exactly. */
static void check_sum(const struct reader *reader, const struct helper_state *before,
		      const struct helper_state *after)
{
	static const int kinds[HELPER_KINDS] = {RECORD_START, RECORD_EXIT};
	const struct tally *tally = &reader->tally;

	for (int kind = 0; kind < HELPER_KINDS; kind++) {
		int index = RECORD_LOST_INDEX(kinds[kind]);
		uint64_t injected = after->injected[kind] - before->injected[kind];

		check(tally->delivered[index] + tally->lost[index] == injected,
		      "%s: %llu delivered and %llu lost of %llu", kind ? "exits" : "starts",
		      (unsigned long long)tally->delivered[index],
		      (unsigned long long)tally->lost[index], (unsigned long long)injected);
	}
	check(tally->disorders == 0, "%llu events are out of order",
	      (unsigned long long)tally->disorders);
	check(tally->unnamed == 0, "%llu starts have no image", (unsigned long long)tally->unnamed);
	note("pause %lu ms: %llu delivered in %llu batches, %llu lost", reader->pause_ms,
	     (unsigned long long)sum_of_kinds(tally->delivered), (unsigned long long)tally->batches,
	     (unsigned long long)sum_of_kinds(tally->lost));
}

/* So many events from each of four threads at full rate. */
static bool inject(uint32_t events, struct helper_state *before, struct helper_state *after)
{
	struct helper_injection injection = {
	    .threads = THREADS,
	    .events = events,
	    .kinds = (1u << HELPER_START) | (1u << HELPER_EXIT),
	    .first_pid = FIRST_PID,
	    .string_length = 64,
	};
	ULONGLONG began = GetTickCount64();

	if (!helper_inject(&injection, before) || !helper_wait(120000))
		return false;
	*after = helper_query();
	note("%u events from %u threads took %llu ms", THREADS * events, THREADS,
	     (unsigned long long)(GetTickCount64() - began));
	return true;
}

static uint64_t head_of_ring(struct client *client)
{
	struct ioctl_information information = {0};

	check(client_query(client, &information) == 0, "the driver does not answer");
	check(sum_of_kinds(information.dropped) == 0, "records could not be made");
	return information.head;
}

static void deliver(struct reader *readers, size_t count, uint32_t events)
{
	struct helper_state before, after;
	struct client watcher;

	memset(&before, 0, sizeof(before));
	if (!check(client_open(&watcher, 0) == 0, "the device cannot be opened"))
		return;
	bool good = inject(events, &before, &after);
	uint64_t head = head_of_ring(&watcher);

	for (size_t index = 0; index < count; index++) {
		finish_reader(&readers[index], head);
		if (good)
			check_sum(&readers[index], &before, &after);
	}
	client_close(&watcher);
}

static void deliver_to_one(uint32_t conditions, uint32_t events)
{
	static struct reader reader;

	helper_set_conditions(conditions);
	if (!begin())
		return;
	if (start_reader(&reader, 0, 1u << 20))
		deliver(&reader, 1, events);
	end();
}

void test_one_client(void)
{
	deliver_to_one(0, EVENTS_PER_THREAD);
}

void test_three_clients(void)
{
	static struct reader readers[3];

	if (!begin())
		return;
	if (start_reader(&readers[0], 0, 1u << 20) && start_reader(&readers[1], 5, 0) &&
	    start_reader(&readers[2], 200, 0)) {
		deliver(readers, 3, EVENTS_PER_THREAD);
		check(sum_of_kinds(readers[2].tally.lost) > 0,
		      "the slowest lost nothing: this shows too little");
	}
	end();
}

struct killer {
	struct reader_process *reader;
	DWORD after_ms;
};

static DWORD WINAPI kill_later(void *context)
{
	struct killer *killer = context;

	Sleep(killer->after_ms);
	reader_process_kill(killer->reader);
	return 0;
}

void test_killed_client(void)
{
	static struct reader readers[2];
	struct reader_process process;
	struct killer killer = {&process, 200};
	struct ioctl_information information = {0};
	struct client watcher;

	if (!begin())
		return;
	if (start_reader(&readers[0], 0, 1u << 20) && start_reader(&readers[1], 200, 0) &&
	    reader_process_start(&process, false, 0)) {
		HANDLE thread = CreateThread(NULL, 0, kill_later, &killer, 0, NULL);

		deliver(readers, 2, EVENTS_PER_THREAD);
		WaitForSingleObject(thread, INFINITE);
		CloseHandle(thread);
		client_open(&watcher, 0);
		for (int attempt = 0; attempt < 3000; attempt++) {
			client_query(&watcher, &information);
			if (information.clients == 0)
				break;
			Sleep(10);
		}
		check(information.clients == 0 && !(information.flags & IOCTL_DRIVER_MONITORS),
		      "%u clients are left, flags %#x", information.clients, information.flags);
		client_close(&watcher);
	}
	end();
}

void test_plain_routine(void)
{
	struct client client;
	struct ioctl_information information = {0};
	struct helper_state state;

	deliver_to_one(HELPER_HIDE_EXTENDED, PLAIN_EVENTS_PER_THREAD);

	helper_set_conditions(HELPER_HIDE_EXTENDED);
	if (!begin())
		return;
	check(client_open(&client, 0) == 0 && client_activate(&client, IOCTL_ACTIVATE, NULL) == 0 &&
		  client_query(&client, &information) == 0,
	      "a client could not activate");
	state = helper_query();
	check(!(information.flags & IOCTL_DRIVER_HAS_COMMAND_LINE), "flags %#x: command lines",
	      information.flags);
	check(state.registered == 1 && state.registered_extended == 0,
	      "%u callbacks are registered, %u of them extended", state.registered,
	      state.registered_extended);
	client_close(&client);
	end();
}

static bool same_text(const uint8_t *text, uint32_t size, const wchar_t *expected)
{
	return size == wcslen(expected) * sizeof(wchar_t) && memcmp(text, expected, size) == 0;
}

static void check_start(const struct record_header *header, uint32_t pid, const wchar_t *image,
			const wchar_t *command_line)
{
	const struct record_body *body = (const void *)(header + 1);
	const struct record_start *start = (const void *)(body + 1);
	const struct record_image *record_image = (const void *)(start + 1);
	const uint8_t *text = (const void *)(record_image + 1);

	check(header->kind == RECORD_START && header->flags == (RECORD_HAS_IMAGE | RECORD_UTF16),
	      "a record of kind %u, flags %#x", header->kind, header->flags);
	check(body->process.pid == pid && body->parent.pid == pid && start->creator.pid == pid,
	      "process %u of parent %u, creator %u, instead of %u", body->process.pid,
	      body->parent.pid, start->creator.pid, pid);
	check(body->process.start_ns != 0, "the process has no time of creation");
	check(body->process_flags & RECORD_PROCESS_NO_CREDENTIALS, "credentials are told");
	check(same_text(text, record_image->string_length[RECORD_STRING_EXE], image),
	      "exe is another");
	for (int string = 0; string < RECORD_STRING_COMMAND_LINE; string++)
		text += record_image->string_length[string];
	check(
	    same_text(text, record_image->string_length[RECORD_STRING_COMMAND_LINE], command_line),
	    "the command line is another");
	text += record_image->string_length[RECORD_STRING_COMMAND_LINE];
	check(record_image->string_length[RECORD_STRING_SID] > 8 && memcmp(text, L"S-1-", 8) == 0,
	      "there is no SID");
}

/* A process that lives, as the helper's thread of the kernel would tell of it. */
void test_contents(void)
{
	static const wchar_t image[] = L"\\Device\\HarddiskVolume3\\Programs\\n\u00e4me \xd83d.exe";
	static const wchar_t command_line[] = L"\"n\u00e4me\" \"with blanks\" \xdc00";
	struct helper_process process = {
	    .kind = HELPER_START,
	    .pid = GetCurrentProcessId(),
	    .parent = GetCurrentProcessId(),
	    .creator = GetCurrentProcessId(),
	};
	const struct record_header *record;
	struct client client;

	if (!begin())
		return;
	check(client_open(&client, 0) == 0 && client_activate(&client, IOCTL_ACTIVATE, NULL) == 0,
	      "a client could not activate");
	check(helper_forward(&process, image, command_line) == 0, "nothing was forwarded");
	process.kind = HELPER_EXIT;
	check(helper_forward(&process, NULL, NULL) == 0, "nothing was forwarded");
	if (check(client_read(&client, CLIENT_LIMIT_MS) == 0 && client_batch(&client)->count == 2,
		  "there are no two records")) {
		record = client_next(&client, NULL);
		check_start(record, process.pid, image, command_line);
		record = client_next(&client, record);
		check(record && record->kind == RECORD_EXIT, "the second is no exit");
	}
	check(helper_query().vetoed == 0, "the driver forbade a process");
	client_close(&client);
	end();
}
