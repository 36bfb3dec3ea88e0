/* SPDX-License-Identifier: MIT */
#include "driver_client.h"

#include "helper_client.h"
#include "service.h"
#include "tap.h"

#include <stdlib.h>
#include <string.h>

DWORD driver_begin(const wchar_t *path)
{
	DWORD error = service_create(PROCOBSRV_SERVICE_NAME, path);

	if (error)
		return error;
	error = service_start(PROCOBSRV_SERVICE_NAME);
	if (error)
		service_delete(PROCOBSRV_SERVICE_NAME);
	return error;
}

DWORD driver_end(void)
{
	DWORD error = service_stop(PROCOBSRV_SERVICE_NAME);
	DWORD delete_error = service_delete(PROCOBSRV_SERVICE_NAME);

	return error ? error : delete_error;
}

void driver_expect_gone(void)
{
	HANDLE device = CreateFileW(PROCOBSRV_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL,
				    OPEN_EXISTING, 0, NULL);

	check(device == INVALID_HANDLE_VALUE, "the driver's device is still there");
	if (device != INVALID_HANDLE_VALUE)
		CloseHandle(device);
	check(!service_exists(PROCOBSRV_SERVICE_NAME), "the driver's service is still there");
	check(helper_query().registered == 0, "a callback is still registered");
}

DWORD client_open(struct client *client, DWORD buffer_size)
{
	memset(client, 0, sizeof(*client));
	client->device = CreateFileW(PROCOBSRV_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE,
				     FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
				     FILE_FLAG_OVERLAPPED, NULL);
	if (client->device == INVALID_HANDLE_VALUE)
		return GetLastError();
	client->buffer_size = buffer_size ? buffer_size : (DWORD)CLIENT_BUFFER_MIN;
	client->buffer = calloc(1, client->buffer_size);
	client->finished = CreateEventW(NULL, TRUE, FALSE, NULL);
	client->answered = CreateEventW(NULL, TRUE, FALSE, NULL);
	return client->buffer && client->finished && client->answered ? 0 : ERROR_NOT_ENOUGH_MEMORY;
}

void client_close(struct client *client)
{
	if (client->waiting)
		client_read(client, 0);
	if (client->device && client->device != INVALID_HANDLE_VALUE)
		CloseHandle(client->device);
	if (client->finished)
		CloseHandle(client->finished);
	if (client->answered)
		CloseHandle(client->answered);
	free(client->buffer);
	memset(client, 0, sizeof(*client));
}

DWORD client_control(struct client *client, DWORD code, const void *in, DWORD in_size, void *out,
		     DWORD out_size, DWORD *written)
{
	OVERLAPPED overlapped = {.hEvent = client->answered};
	DWORD error = 0;
	DWORD size = 0;

	if (!DeviceIoControl(client->device, code, (void *)(uintptr_t)in, in_size, out, out_size,
			     &size, &overlapped))
		error = GetLastError();
	/* Whoever asks for what waits does not want to wait here. */
	if (error == ERROR_IO_PENDING) {
		if (WaitForSingleObject(overlapped.hEvent, 5000) == WAIT_TIMEOUT)
			CancelIoEx(client->device, &overlapped);
		error = 0;
		if (!GetOverlappedResult(client->device, &overlapped, &size, TRUE))
			error = GetLastError();
	}
	if (written)
		*written = size;
	return error;
}

DWORD client_activate(struct client *client, uint32_t flags, const struct ioctl_token *token)
{
	struct ioctl_activation activation = {
	    .header = {sizeof(activation), IOCTL_PROCOBSRV_VERSION},
	    .flags = flags,
	};
	struct ioctl_activated activated = {0};
	DWORD written;
	DWORD error;

	if (token)
		activation.token = *token;
	error = client_control(client, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			       sizeof(activation), &activated, sizeof(activated), &written);
	if (error)
		return error;
	check(written == sizeof(activated), "activation wrote %lu bytes", written);
	client->id = activated.client_id;
	client->token = activated.token;
	return 0;
}

DWORD client_deactivate(struct client *client)
{
	struct ioctl_activation activation = {
	    .header = {sizeof(activation), IOCTL_PROCOBSRV_VERSION},
	};

	return client_control(client, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			      sizeof(activation), NULL, 0, NULL);
}

DWORD client_acknowledge(struct client *client, const struct ioctl_token *token)
{
	struct ioctl_acknowledgement acknowledgement = {
	    .header = {sizeof(acknowledgement), IOCTL_PROCOBSRV_VERSION},
	    .token = *token,
	};

	return client_control(client, IOCTL_PROCOBSRV_ACKNOWLEDGE, &acknowledgement,
			      sizeof(acknowledgement), NULL, 0, NULL);
}

DWORD client_reside(struct client *client, bool reside)
{
	struct ioctl_residence residence = {
	    .header = {sizeof(residence), IOCTL_PROCOBSRV_VERSION},
	    .reside = reside,
	    .version = "test",
	};

	return client_control(client, IOCTL_PROCOBSRV_RESIDE, &residence, sizeof(residence), NULL,
			      0, NULL);
}

DWORD client_query(struct client *client, struct ioctl_information *information)
{
	DWORD written;
	DWORD error = client_control(client, IOCTL_PROCOBSRV_QUERY, NULL, 0, information,
				     sizeof(*information), &written);

	if (!error)
		check(written == sizeof(*information) && information->size == written &&
			  information->version == IOCTL_PROCOBSRV_VERSION &&
			  information->record_version == RECORD_VERSION,
		      "the information has %lu bytes, says %u, version %u, of records %u", written,
		      information->size, information->version, information->record_version);
	return error;
}

DWORD client_begin_read(struct client *client)
{
	struct ioctl_read read = {.header = {sizeof(read), IOCTL_PROCOBSRV_VERSION}};
	DWORD error = 0;

	memset(&client->overlapped, 0, sizeof(client->overlapped));
	client->overlapped.hEvent = client->finished;
	ResetEvent(client->finished);
	if (!DeviceIoControl(client->device, IOCTL_PROCOBSRV_READ, &read, sizeof(read),
			     client->buffer, client->buffer_size, NULL, &client->overlapped))
		error = GetLastError();
	client->waiting = error == 0 || error == ERROR_IO_PENDING;
	return error;
}

DWORD client_end_read(struct client *client, DWORD limit_ms)
{
	DWORD size;

	if (WaitForSingleObject(client->finished, limit_ms) == WAIT_TIMEOUT)
		return WAIT_TIMEOUT;
	client->waiting = false;
	if (!GetOverlappedResult(client->device, &client->overlapped, &size, TRUE))
		return GetLastError();
	check(size >= sizeof(struct ioctl_batch) && size == client_batch(client)->size,
	      "a read of %lu bytes says that it has %u", size, client_batch(client)->size);
	client->token = client_batch(client)->token;
	return 0;
}

DWORD client_read(struct client *client, DWORD limit_ms)
{
	DWORD error = client->waiting ? ERROR_IO_PENDING : client_begin_read(client);

	if (error && error != ERROR_IO_PENDING)
		return error;
	error = client_end_read(client, limit_ms);
	if (error != WAIT_TIMEOUT)
		return error;
	CancelIoEx(client->device, &client->overlapped);
	error = client_end_read(client, INFINITE);
	return error == ERROR_OPERATION_ABORTED ? WAIT_TIMEOUT : error;
}

bool client_has_more(struct client *client)
{
	struct ioctl_information information = {0};
	DWORD error = client_query(client, &information);

	return check(error == 0, "the driver does not answer: error %lu", error) &&
	       client->token.position < information.head;
}

const struct ioctl_batch *client_batch(const struct client *client)
{
	return (const struct ioctl_batch *)(const void *)client->buffer;
}

const struct record_header *client_next(const struct client *client,
					const struct record_header *record)
{
	const uint8_t *next = client->buffer + sizeof(struct ioctl_batch);

	if (record)
		next = (const uint8_t *)record + record->size;
	if (next + sizeof(*record) > client->buffer + client_batch(client)->size)
		return NULL;
	return (const struct record_header *)(const void *)next;
}

uint64_t sum_of_kinds(const uint64_t *counts)
{
	uint64_t sum = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		sum += counts[kind];
	return sum;
}

static bool is_sound(const struct record_header *header)
{
	return check(header->size % 8 == 0 && header->size <= RECORD_SIZE_MAX &&
			 header->size >= sizeof(*header) + sizeof(struct record_body) &&
			 header->version == RECORD_VERSION && header->time_ns != 0 &&
			 (header->kind == RECORD_START || header->kind == RECORD_EXIT),
		     "a record of %u bytes, version %u, kind %u", header->size, header->version,
		     header->kind);
}

/* Every number that is missing is one that the counters tell. */
static void check_numbers(struct tally *tally, const struct record_header *header)
{
	uint64_t lost = 0;

	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		lost += header->lost[kind];
	if (tally->last_number)
		check(header->number - tally->last_number - 1 == lost - tally->last_lost,
		      "after number %llu comes %llu, but %llu are told lost",
		      (unsigned long long)tally->last_number, (unsigned long long)header->number,
		      (unsigned long long)(lost - tally->last_lost));
	tally->last_number = header->number;
	tally->last_lost = lost;
}

/* The processes of one injecting thread come in the order in which it made them up. */
static void check_order(struct tally *tally, uint32_t pid)
{
	uint32_t index = (pid - tally->first_pid) / 4;
	uint32_t thread = index / HELPER_EVENTS_MAX;

	if (!tally->first_pid || pid < tally->first_pid || thread >= HELPER_THREADS_MAX)
		return;
	if (pid < tally->next_pid[thread])
		tally->disorders++;
	tally->next_pid[thread] = pid;
}

void tally_batch(struct tally *tally, const struct client *client)
{
	const struct ioctl_batch *batch = client_batch(client);
	const struct record_header *record = NULL;
	uint64_t count = 0;

	while ((record = client_next(client, record)) && is_sound(record)) {
		const struct record_body *body = (const void *)(record + 1);

		check_numbers(tally, record);
		check_order(tally, body->process.pid);
		tally->delivered[RECORD_LOST_INDEX(record->kind)]++;
		if (record->kind == RECORD_START && !(record->flags & RECORD_HAS_IMAGE))
			tally->unnamed++;
		count++;
	}
	check(count == batch->count, "a batch of %u records has %llu", batch->count,
	      (unsigned long long)count);
	memcpy(tally->lost, batch->lost, sizeof(tally->lost));
	tally->batches++;
}

DWORD tally_until(struct tally *tally, struct client *client, uint64_t position, DWORD pause_ms)
{
	while (client->token.position < position) {
		DWORD error = client_read(client, CLIENT_LIMIT_MS);

		if (error)
			return error;
		tally_batch(tally, client);
		if (pause_ms)
			Sleep(pause_ms);
	}
	return 0;
}
