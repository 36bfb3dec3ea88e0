/* SPDX-License-Identifier: MIT */
#include "requests.h"

#include "os.h"
#include "status.h"

#include <string.h>

_Static_assert(sizeof(struct ioctl_activated) <= sizeof(struct ioctl_activation) &&
		   sizeof(struct ioctl_batch) % 8 == 0,
	       "replies are aligned as their buffer");

/* Input and output share the buffer, so the input is copied before anything is written. */
static int32_t take_input(const struct request *request, void *input, size_t size)
{
	struct ioctl_header header;

	if (request->input_size != size)
		return OBSERVER_INVALID_LENGTH;
	memcpy(input, request->buffer, size);
	memcpy(&header, input, sizeof header);
	if (header.version != IOCTL_PROCOBSRV_VERSION)
		return OBSERVER_REVISION_MISMATCH;
	return header.size == size ? OBSERVER_OK : OBSERVER_INVALID_LENGTH;
}

/* Replies of fixed size are taken whole or not at all. */
static int32_t expect_output(const struct request *request, size_t size)
{
	return request->output_size == size ? OBSERVER_OK : OBSERVER_INVALID_LENGTH;
}

static void reply(const struct request *request, const void *data, size_t size, size_t *written)
{
	memcpy(request->buffer, data, size);
	*written = size;
}

static uint32_t driver_flags(const struct observer *observer)
{
	return observer->system_flags | (observer->observing ? IOCTL_DRIVER_MONITORS : 0) |
	       (observer->clients.resident.resides ? IOCTL_DRIVER_RESIDENT : 0);
}

/* Under os_lock. */
static void describe(const struct observer *observer, struct ioctl_information *information)
{
	const struct ring *ring = &observer->ring;
	const struct resident *resident = &observer->clients.resident;

	information->size = sizeof *information;
	information->version = IOCTL_PROCOBSRV_VERSION;
	information->record_version = RECORD_VERSION;
	information->flags = driver_flags(observer);
	information->stream = ring->stream;
	information->ring_size = ring->size;
	information->head = ring->head;
	information->tail = ring->tail;
	information->number = ring->number;
	memcpy(information->evicted, ring->evicted, sizeof information->evicted);
	information->clients = observer->clients.active_count;
	information->resident_holder = resident->reader ? resident->reader->pid : 0;
	information->resident_since_ns = resident->since_ns;
	information->resident_token = resident->token;
	memcpy(information->resident_lost, resident->lost, sizeof information->resident_lost);
	memcpy(information->resident_version, resident->version,
	       sizeof information->resident_version);
}

static int32_t serve_query(struct observer *observer, const struct request *request,
			   size_t *written)
{
	struct ioctl_information information = {0};

	if (request->input_size != 0)
		return OBSERVER_INVALID_LENGTH;
	int32_t status = expect_output(request, sizeof information);
	if (status != OBSERVER_OK)
		return status;
	os_lock_acquire(observer->lock);
	describe(observer, &information);
	os_lock_release(observer->lock);
	reply(request, &information, sizeof information, written);
	return OBSERVER_OK;
}

static bool is_zero(const void *data, size_t size)
{
	const uint8_t *bytes = data;

	while (size && bytes[size - 1] == 0)
		size--;
	return size == 0;
}

static bool activation_is_sound(const struct ioctl_activation *activation)
{
	const struct ioctl_token *token = &activation->token;

	if (activation->reserved)
		return false;
	switch (activation->flags) {
	case IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESUME:
	case IOCTL_ACTIVATE | IOCTL_ACTIVATE_RESIDENT: /* the token is not looked at */
		return true;
	case IOCTL_ACTIVATE:
	case 0:
		return is_zero(token, sizeof *token);
	default:
		return false;
	}
}

static int32_t serve_activation(struct observer *observer, struct client *client,
				const struct request *request, size_t *written)
{
	struct ioctl_activation activation;
	struct ioctl_activated activated;
	int32_t status = take_input(request, &activation, sizeof activation);

	if (status != OBSERVER_OK)
		return status;
	if (!activation_is_sound(&activation))
		return OBSERVER_INVALID_PARAMETER;
	if (!(activation.flags & IOCTL_ACTIVATE) && request->output_size == 0)
		return observer_deactivate(observer, client);

	status = expect_output(request, sizeof activated);
	if (status == OBSERVER_OK && !(activation.flags & IOCTL_ACTIVATE))
		return observer_deactivate(observer, client);
	if (status == OBSERVER_OK)
		status = observer_activate(observer, client, &activation, &activated);
	if (status == OBSERVER_OK)
		reply(request, &activated, sizeof activated, written);
	return status;
}

/* Under os_lock. */
static int32_t read_or_wait(struct observer *observer, struct client *client,
			    const struct request *request, size_t *written)
{
	if (!client->active)
		return OBSERVER_INVALID_STATE;
	if (!client_has_records(client, &observer->ring)) {
		int32_t status = os_client_park(client->os, request->read);
		return status == OBSERVER_OK ? OBSERVER_PENDING : status;
	}
	*written = client_read(&observer->clients, client, &observer->ring, request->buffer,
			       request->output_size);
	if (client->signalled && !client_has_records(client, &observer->ring)) {
		client->signalled = false;
		os_client_signal(client->os, false);
	}
	return OBSERVER_OK;
}

static int32_t serve_read(struct observer *observer, struct client *client,
			  const struct request *request, size_t *written)
{
	struct ioctl_read read;
	int32_t status = take_input(request, &read, sizeof read);

	if (status != OBSERVER_OK)
		return status;
	if (request->output_size < sizeof(struct ioctl_batch) + RECORD_SIZE_MAX)
		return OBSERVER_BUFFER_TOO_SMALL;
	os_lock_acquire(observer->lock);
	status = read_or_wait(observer, client, request, written);
	os_lock_release(observer->lock);
	return status;
}

static int32_t serve_acknowledgement(struct observer *observer, struct client *client,
				     const struct request *request)
{
	struct ioctl_acknowledgement acknowledgement;
	int32_t status = take_input(request, &acknowledgement, sizeof acknowledgement);

	if (status == OBSERVER_OK)
		status = expect_output(request, 0);
	if (status != OBSERVER_OK)
		return status;
	os_lock_acquire(observer->lock);
	if (!client->resident)
		status = OBSERVER_INVALID_STATE;
	else if (!resident_acknowledge(&observer->clients, &observer->ring, &acknowledgement.token))
		status = OBSERVER_INVALID_PARAMETER;
	os_lock_release(observer->lock);
	return status;
}

static int32_t serve_residence(struct observer *observer, const struct request *request)
{
	struct ioctl_residence residence;
	int32_t status = take_input(request, &residence, sizeof residence);

	if (status == OBSERVER_OK)
		status = expect_output(request, 0);
	if (status != OBSERVER_OK)
		return status;
	if (residence.reserved || residence.reside > 1 ||
	    !memchr(residence.version, 0, sizeof residence.version))
		return OBSERVER_INVALID_PARAMETER;
	return observer_reside(observer, residence.reside ? residence.version : NULL);
}

int32_t request_serve(struct observer *observer, struct client *client,
		      const struct request *request, size_t *written)
{
	*written = 0;
	switch (request->code) {
	case IOCTL_PROCOBSRV_QUERY:
		return serve_query(observer, request, written);
	case IOCTL_PROCOBSRV_ACTIVATE_MONITORING:
		return serve_activation(observer, client, request, written);
	case IOCTL_PROCOBSRV_READ:
		return serve_read(observer, client, request, written);
	case IOCTL_PROCOBSRV_ACKNOWLEDGE:
		return serve_acknowledgement(observer, client, request);
	case IOCTL_PROCOBSRV_RESIDE:
		return serve_residence(observer, request);
	default:
		return OBSERVER_INVALID_REQUEST;
	}
}
