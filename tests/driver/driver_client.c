/* SPDX-License-Identifier: MIT */
#include "driver_client.h"

#include "status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From any thread, so not by cmocka. */
#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

int32_t serve(struct driver_client *client, uint32_t code, const void *input, size_t input_size,
	      void *output, size_t output_size, size_t *written)
{
	size_t size = input_size > output_size ? input_size : output_size;
	void *buffer = size ? malloc(size) : NULL; /* of its very size, for the sanitizer */

	if (input_size)
		memcpy(buffer, input, input_size);
	struct request request = {code, buffer, input_size, output_size, NULL};
	int32_t status = request_serve(client->observer, client->client, &request, written);
	CHECK(status == OBSERVER_OK || *written == 0);
	CHECK(*written <= output_size);
	if (*written)
		memcpy(output, buffer, *written);
	free(buffer);
	return status;
}

void driver_client_open(struct driver_client *client, struct observer *observer, size_t reply_size)
{
	memset(client, 0, sizeof *client);
	client->observer = observer;
	client->client = observer_open(observer, 4242);
	CHECK(client->client);
	client->reply_size = reply_size;
	client->reply = malloc(reply_size);
}

void driver_client_close(struct driver_client *client)
{
	observer_detach(client->observer, client->client);
	if (client->waits)
		host_read_wait(&client->read);
	observer_close(client->observer, client->client);
	free(client->reply);
}

int32_t driver_client_activate(struct driver_client *client, uint32_t flags,
			       const struct ioctl_token *token)
{
	struct ioctl_activation activation = {
	    .header = {sizeof activation, IOCTL_PROCOBSRV_VERSION},
	    .flags = IOCTL_ACTIVATE | flags,
	};
	struct ioctl_activated activated;
	size_t written;

	if (token)
		activation.token = *token;
	int32_t status = serve(client, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation,
			       sizeof activation, &activated, sizeof activated, &written);
	if (status != OBSERVER_OK)
		return status;
	CHECK(written == sizeof activated && activated.reserved == 0);
	client->id = activated.client_id;
	client->token = activated.token;
	memset(&client->tally, 0, sizeof client->tally);
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		client->tally.number += activated.token.passed[kind];
	return OBSERVER_OK;
}

int32_t driver_client_deactivate(struct driver_client *client)
{
	struct ioctl_activation activation = {
	    .header = {sizeof activation, IOCTL_PROCOBSRV_VERSION}};
	size_t written;

	return serve(client, IOCTL_PROCOBSRV_ACTIVATE_MONITORING, &activation, sizeof activation,
		     NULL, 0, &written);
}

int32_t driver_client_reside(struct driver_client *client, bool reside)
{
	struct ioctl_residence residence = {
	    .header = {sizeof residence, IOCTL_PROCOBSRV_VERSION},
	    .reside = reside,
	    .version = "test",
	};
	size_t written;

	return serve(client, IOCTL_PROCOBSRV_RESIDE, &residence, sizeof residence, NULL, 0,
		     &written);
}

int32_t driver_client_acknowledge(struct driver_client *client, const struct ioctl_token *token)
{
	struct ioctl_acknowledgement acknowledgement = {
	    .header = {sizeof acknowledgement, IOCTL_PROCOBSRV_VERSION},
	    .token = *token,
	};
	size_t written;

	return serve(client, IOCTL_PROCOBSRV_ACKNOWLEDGE, &acknowledgement, sizeof acknowledgement,
		     NULL, 0, &written);
}

void driver_client_query(struct driver_client *client, struct ioctl_information *information)
{
	size_t written;

	CHECK(serve(client, IOCTL_PROCOBSRV_QUERY, NULL, 0, information, sizeof *information,
		    &written) == OBSERVER_OK);
	CHECK(written == sizeof *information && information->size == written);
}

int32_t driver_client_read_begin(struct driver_client *client)
{
	struct ioctl_read input = {{sizeof input, IOCTL_PROCOBSRV_VERSION}};
	size_t written;

	memcpy(client->reply, &input, sizeof input);
	host_read_begin(&client->read, client->reply, client->reply_size);
	struct request request = {IOCTL_PROCOBSRV_READ, client->reply, sizeof input,
				  client->reply_size, &client->read};
	int32_t status = request_serve(client->observer, client->client, &request, &written);
	client->waits = status == OBSERVER_PENDING;
	if (!client->waits)
		host_read_end(&client->read, status, written);
	return status;
}

void tally_record(struct tally *tally, const struct record_header *header)
{
	uint64_t hole = header->number - tally->number - 1;
	uint64_t grown = 0;

	CHECK(header->number > tally->number);
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++) {
		uint32_t more = header->lost[kind] - tally->lost[kind];
		tally->told_lost[kind] += more;
		grown += more;
	}
	CHECK(grown == hole);
	memcpy(tally->lost, header->lost, sizeof tally->lost);
	tally->number = header->number;
	tally->delivered[RECORD_LOST_INDEX(header->kind)]++;
}

static uint16_t unit_of(uint32_t pid, uint32_t index)
{
	return (uint16_t)(pid * 31 + index);
}

static void check_content(const uint8_t *record, const struct record_header *header)
{
	struct record_body body;
	struct record_image image;
	uint16_t unit;

	memcpy(&body, record + sizeof *header, sizeof body);
	CHECK(body.process.start_ns == (uint64_t)body.process.pid + 1);
	if (header->kind != RECORD_START)
		return;
	const uint8_t *at = record + sizeof *header + sizeof body + sizeof(struct record_start);
	memcpy(&image, at, sizeof image);
	at += sizeof image + image.string_length[RECORD_STRING_EXE];
	for (uint32_t i = 0; i < image.string_length[RECORD_STRING_COMMAND_LINE] / 2; i++) {
		memcpy(&unit, at + (size_t)i * 2, sizeof unit);
		CHECK(unit == unit_of(body.process.pid, i));
	}
}

/* The token before the first record of a batch. */
static struct ioctl_token token_before(const struct driver_client *client,
				       const struct ioctl_batch *batch)
{
	const uint8_t *record = (const uint8_t *)client->reply + sizeof *batch;
	struct ioctl_token token = batch->token;
	struct record_header header;

	token.position = batch->position;
	for (uint32_t i = 0; i < batch->count; i++, record += header.size) {
		memcpy(&header, record, sizeof header);
		token.passed[RECORD_LOST_INDEX(header.kind)]--;
	}
	return token;
}

static void check_batch(struct driver_client *client, const struct ioctl_batch *batch)
{
	struct ioctl_token token = token_before(client, batch);
	const uint8_t *record = (const uint8_t *)client->reply + sizeof *batch;
	uint32_t left = batch->size - (uint32_t)sizeof *batch;
	struct record_header header;

	CHECK(batch->count > 0);
	CHECK(batch->position >= client->token.position);
	if (client->on_record)
		client->on_record(&token, &client->tally);
	for (uint32_t i = 0; i < batch->count; i++) {
		CHECK(left >= sizeof header);
		memcpy(&header, record, sizeof header);
		CHECK(header.version == RECORD_VERSION && header.cpu == 0);
		CHECK(header.size <= left && header.size % 8 == 0);
		check_content(record, &header);
		tally_record(&client->tally, &header);
		token.position += header.size;
		token.passed[RECORD_LOST_INDEX(header.kind)]++;
		if (client->on_record)
			client->on_record(&token, &client->tally);
		record += header.size;
		left -= header.size;
	}
	CHECK(left == 0);
	CHECK(memcmp(&token, &batch->token, sizeof token) == 0);
	for (int kind = 0; kind < RECORD_LOST_KINDS; kind++)
		CHECK((uint32_t)batch->lost[kind] == header.lost[kind]);
}

int32_t driver_client_take(struct driver_client *client)
{
	struct ioctl_batch batch;

	if (client->read.status != OBSERVER_OK)
		return client->read.status;
	CHECK(client->read.written >= sizeof batch);
	memcpy(&batch, client->reply, sizeof batch);
	CHECK(batch.size == client->read.written);
	check_batch(client, &batch);
	client->token = batch.token;
	return OBSERVER_OK;
}

int32_t driver_client_read(struct driver_client *client)
{
	driver_client_read_begin(client);
	host_read_wait(&client->read);
	return driver_client_take(client);
}

uint64_t driver_client_drain(struct driver_client *client)
{
	uint64_t before = client->tally.delivered[0] + client->tally.delivered[3];

	while (driver_client_read_begin(client) == OBSERVER_OK)
		CHECK(driver_client_take(client) == OBSERVER_OK);
	host_read_cancel(&client->read);
	host_read_wait(&client->read);
	CHECK(client->read.status == OBSERVER_CANCELLED);
	return client->tally.delivered[0] + client->tally.delivered[3] - before;
}

void make_observation(struct observation *observation, enum record_kind kind, uint32_t pid)
{
	static _Thread_local uint16_t units[512];
	uint32_t count = pid * 7 % 300;

	memset(observation, 0, sizeof *observation);
	observation->kind = kind;
	observation->process.pid = pid;
	observation->process.start_ns = (uint64_t)pid + 1;
	observation->parent.pid = pid / 2;
	if (kind != RECORD_START)
		return;
	for (uint32_t i = 0; i < count; i++)
		units[i] = unit_of(pid, i);
	observation->exe = (struct observed_text){u"exe", 6, RECORD_WHOLE};
	observation->sid = (struct observed_text){u"S-1-5-18", 16, RECORD_WHOLE};
	observation->command_line = (struct observed_text){units, count * 2, RECORD_WHOLE};
}

static void keep(void *param)
{
	struct observation observation;
	static uint32_t pid = 1000;

	pid += 4;
	make_observation(&observation, pid / 4 % 2 ? RECORD_EXIT : RECORD_START, pid);
	observer_keep(param, &observation);
}

void inject_events(struct observer *observer, int count)
{
	for (int i = 0; i < count; i++)
		CHECK(host_notify(keep, observer));
}

void end_observer(struct observer *observer)
{
	observer_destroy(observer);
	CHECK(!host_observes());
	CHECK(host_left() == 0);
}
