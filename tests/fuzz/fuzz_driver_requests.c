/* SPDX-License-Identifier: MIT */
/*
 * What clients of the Windows driver ask for, in any order and with any content: two handles, four
 * reads that may wait, and events in between. Input: steps of one byte (what to do and with which
 * handle), a control code gets two bytes of sizes and then its input. host.c ends the program when
 * a rule of the kernel's is broken, driver_client.c's tally when a loss is not told.
 */
#include "driver_client.h"

#include "status.h"

#include <stdlib.h>
#include <string.h>

#define HANDLES 2
#define READS	4

static const uint32_t codes[] = {
    IOCTL_PROCOBSRV_QUERY,  IOCTL_PROCOBSRV_ACTIVATE_MONITORING, IOCTL_PROCOBSRV_ACKNOWLEDGE,
    IOCTL_PROCOBSRV_RESIDE, IOCTL_PROCOBSRV_RESIDE + 4,
};

struct input {
	const uint8_t *bytes;
	size_t size;
};

struct state {
	struct observer *observer;
	struct driver_client clients[HANDLES];
	struct os_read reads[READS];
	uint64_t *buffers[READS];
	bool begun[READS];
};

static uint8_t next(struct input *input)
{
	if (!input->size)
		return 0;
	input->size--;
	return *input->bytes++;
}

static void keep(void *param)
{
	struct observation observation;
	static uint32_t pid;

	pid = pid % 5000 + 1;
	make_observation(&observation, pid % 2 ? RECORD_EXIT : RECORD_START, pid);
	observer_keep(param, &observation);
}

/* The token that the driver would take, or something near it. */
static void put_token(struct driver_client *client, uint8_t how, uint8_t *at)
{
	struct ioctl_information information;
	struct ioctl_token token = client->token;

	driver_client_query(client, &information);
	if (how & 1)
		token = information.resident_token;
	if (how & 2)
		token.position += how >> 4;
	if (how & 4)
		token.passed[how >> 6]++;
	if (how & 8)
		token.stream = information.stream;
	memcpy(at, &token, sizeof token);
}

static void control(struct driver_client *client, struct input *input)
{
	uint8_t in[256] = {0}, out[512];
	uint32_t code = codes[next(input) % (sizeof codes / sizeof *codes)];
	size_t in_size = next(input), out_size = next(input) * 2u, written;
	struct ioctl_header header = {(uint32_t)in_size, IOCTL_PROCOBSRV_VERSION};
	uint8_t how = next(input);

	memcpy(in, &header, sizeof header);
	for (size_t i = sizeof header; i < in_size && i < 16 + (how & 31u); i++)
		in[i] = next(input);
	if (code == IOCTL_PROCOBSRV_ACTIVATE_MONITORING && how & 0x80)
		put_token(client, next(input), in + offsetof(struct ioctl_activation, token));
	if (code == IOCTL_PROCOBSRV_ACKNOWLEDGE && how & 0x80)
		put_token(client, next(input), in + offsetof(struct ioctl_acknowledgement, token));
	int32_t status = serve(client, code, in, in_size, out, out_size, &written);
	if (status == OBSERVER_OK && code == IOCTL_PROCOBSRV_ACTIVATE_MONITORING && written)
		memcpy(&client->token, out + offsetof(struct ioctl_activated, token),
		       sizeof client->token);
}

/* A read that waits goes on by itself; one that was begun before is ended first. */
static void begin_read(struct state *state, struct driver_client *client, size_t which)
{
	struct ioctl_read request_input = {{sizeof request_input, IOCTL_PROCOBSRV_VERSION}};
	struct os_read *read = &state->reads[which];
	uint64_t *buffer = state->buffers[which];
	size_t written;

	if (state->begun[which])
		host_read_cancel(read);
	host_read_begin(read, buffer, READ_SIZE_MIN);
	memcpy(buffer, &request_input, sizeof request_input);
	struct request request = {IOCTL_PROCOBSRV_READ, buffer, sizeof request_input, READ_SIZE_MIN,
				  read};
	state->begun[which] = true;
	int32_t status = request_serve(state->observer, client->client, &request, &written);
	if (status == OBSERVER_PENDING)
		return;
	host_read_end(read, status, written);
	if (status == OBSERVER_OK)
		client->token = ((struct ioctl_batch *)buffer)->token;
}

static void step(struct state *state, struct input *input)
{
	uint8_t what = next(input);
	struct driver_client *client = &state->clients[what >> 7];
	size_t which = what >> 5 & 3;

	switch (what & 7) {
	case 0:
	case 1:
		control(client, input);
		break;
	case 2:
	case 3:
		begin_read(state, client, which);
		break;
	case 4:
		if (state->begun[which])
			host_read_cancel(&state->reads[which]);
		break;
	case 5:
		observer_detach(state->observer, client->client);
		observer_close(state->observer, client->client);
		client->client = observer_open(state->observer, 1);
		break;
	default:
		for (unsigned i = next(input) * (what & 1 ? 1u : 16u); i > 0; i--)
			if (!host_notify(keep, state->observer))
				break;
	}
}

static void give_back(struct state *state)
{
	for (size_t i = 0; i < HANDLES; i++)
		driver_client_close(&state->clients[i]);
	observer_destroy(state->observer);
	for (size_t i = 0; i < READS; i++) {
		if (state->begun[i] && !host_read_is_done(&state->reads[i]))
			abort(); /* a request that never ends */
		free(state->buffers[i]);
	}
	if (host_left() || host_observes())
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct state state = {.observer = observer_create(RING_SIZE_MIN, 0)};

	for (size_t i = 0; i < HANDLES; i++)
		driver_client_open(&state.clients[i], state.observer, READ_SIZE_MIN);
	for (size_t i = 0; i < READS; i++)
		state.buffers[i] = malloc(READ_SIZE_MIN);
	for (unsigned steps = 0; input.size && steps < 400; steps++)
		step(&state, &input);
	give_back(&state);
	return 0;
}
