/* SPDX-License-Identifier: MIT */
#include "observer.h"

#include "os.h"
#include "status.h"

#include <string.h>

struct observer *observer_create(uint64_t wanted_size, uint32_t system_flags)
{
	struct observer *observer = os_allocate(sizeof *observer);
	uint32_t size = ring_size(wanted_size);

	if (!observer)
		return NULL;
	observer->gate = os_gate_create();
	observer->lock = os_lock_create();
	void *bytes = os_allocate(size);
	if (!observer->gate || !observer->lock || !bytes) {
		os_free(bytes);
		os_lock_destroy(observer->lock);
		os_gate_destroy(observer->gate);
		os_free(observer);
		return NULL;
	}
	ring_init(&observer->ring, bytes, size, os_now_ns());
	observer->system_flags = system_flags;
	return observer;
}

void observer_destroy(struct observer *observer)
{
	if (!observer)
		return;
	observer_reside(observer, NULL);
	while (observer->clients.first)
		observer_close(observer, observer->clients.first);
	os_free(observer->ring.bytes);
	os_lock_destroy(observer->lock);
	os_gate_destroy(observer->gate);
	os_free(observer);
}

static void signal_client(struct client *client, bool readable)
{
	if (client->signalled == readable)
		return;
	client->signalled = readable;
	os_client_signal(client->os, readable);
}

/* A client that had nothing to read has something: its read ends, else its event is set. */
static void wake_client(struct observer *observer, struct client *client, struct os_read **finished)
{
	struct os_read *read = os_client_take(client->os);

	if (read) {
		size_t size;
		void *buffer = os_read_buffer(read, &size);
		size_t written =
		    client_read(&observer->clients, client, &observer->ring, buffer, size);
		os_read_finish(read, OBSERVER_OK, written, finished);
	}
	signal_client(client, client_has_records(client, &observer->ring));
}

void observer_keep(struct observer *observer, const struct observation *observation)
{
	struct os_read *finished = NULL;

	os_lock_acquire(observer->lock);
	uint64_t position = observer->ring.head;
	record_write(&observer->ring, observation, os_now_ns());
	for (struct client *client = observer->clients.first; client; client = client->next)
		if (client->active && client->token.position == position)
			wake_client(observer, client, &finished);
	os_lock_release(observer->lock);
	os_reads_complete(finished);
}

struct client *observer_open(struct observer *observer, uint32_t pid)
{
	struct client *client = os_allocate(sizeof *client);

	if (!client)
		return NULL;
	client->pid = pid;
	os_lock_acquire(observer->lock);
	client->next = observer->clients.first;
	observer->clients.first = client;
	os_lock_release(observer->lock);
	return client;
}

/* Has the kernel call us if somebody wants it, else no longer. Under the gate. */
static int32_t observe_if_wanted(struct observer *observer)
{
	os_lock_acquire(observer->lock);
	bool wanted = observer->clients.active_count > 0 || observer->clients.resident.resides;
	os_lock_release(observer->lock);

	if (wanted == observer->observing)
		return OBSERVER_OK;
	int32_t status = os_observe(wanted);
	if (status != OBSERVER_OK)
		return status;
	os_lock_acquire(observer->lock);
	observer->observing = wanted;
	os_lock_release(observer->lock);
	return OBSERVER_OK;
}

/* Takes from the client what activation gave it; returns what is to be closed. Under os_lock. */
static struct os_client *leave(struct observer *observer, struct client *client,
			       struct os_read **finished)
{
	struct os_client *os = client->os;
	struct os_read *read = os_client_take(os);

	if (read)
		os_read_finish(read, OBSERVER_CANCELLED, 0, finished);
	if (client->resident)
		observer->clients.resident.reader = NULL;
	observer->clients.active_count--;
	client->active = false;
	client->resident = false;
	client->signalled = false;
	client->os = NULL;
	return os;
}

/* Under the gate. */
static void end_activation(struct observer *observer, struct client *client)
{
	struct os_read *finished = NULL;
	struct os_client *os = NULL;

	os_lock_acquire(observer->lock);
	if (client->active)
		os = leave(observer, client, &finished);
	os_lock_release(observer->lock);
	os_reads_complete(finished);
	if (os)
		os_client_close(os);
}

void observer_detach(struct observer *observer, struct client *client)
{
	os_lock_acquire(observer->lock);
	client->closed = true;
	os_lock_release(observer->lock);

	os_gate_acquire(observer->gate);
	end_activation(observer, client);
	(void)observe_if_wanted(observer);
	os_gate_release(observer->gate);
}

void observer_close(struct observer *observer, struct client *client)
{
	observer_detach(observer, client);
	os_lock_acquire(observer->lock);
	struct client **link = &observer->clients.first;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	os_lock_release(observer->lock);
	os_free(client);
}

/* Where the client begins, or why it cannot. Under os_lock. */
static int32_t place(struct observer *observer, struct client *client,
		     const struct ioctl_activation *activation)
{
	struct resident *resident = &observer->clients.resident;

	memset(client->lost, 0, sizeof client->lost);
	if (activation->flags & IOCTL_ACTIVATE_RESIDENT) {
		if (!resident->resides)
			return OBSERVER_NOT_FOUND;
		if (resident->reader)
			return OBSERVER_SHARING_VIOLATION;
		resident_hand_to(&observer->clients, client);
	} else if (activation->flags & IOCTL_ACTIVATE_RESUME) {
		if (!token_is_valid(&observer->ring, NULL, &activation->token))
			return OBSERVER_INVALID_PARAMETER;
		client->token = activation->token;
	} else {
		token_at_end(&observer->ring, &client->token);
	}
	return OBSERVER_OK;
}

/* Under os_lock. `os` is the client's on success. */
static int32_t join(struct observer *observer, struct client *client, struct os_client *os,
		    uint32_t id, const struct ioctl_activation *activation)
{
	int32_t status = OBSERVER_INVALID_STATE;

	if (!client->closed && !client->active)
		status = place(observer, client, activation);
	if (status != OBSERVER_OK)
		return status;
	client->active = true;
	client->id = id;
	client->os = os;
	observer->clients.active_count++;
	signal_client(client, client_has_records(client, &observer->ring));
	return OBSERVER_OK;
}

/*
 * An event with an id that no client has had. A name that somebody has taken on purpose is passed
 * over, a hundred of them. Under the gate.
 */
static int32_t open_event(struct clients *clients, uint32_t *id, struct os_client **os)
{
	int32_t status = OBSERVER_NAME_COLLISION;

	for (int attempt = 0; attempt < 100 && status == OBSERVER_NAME_COLLISION; attempt++) {
		*id = ++clients->last_id;
		status = os_client_open(*id, os);
	}
	return status;
}

/* Under the gate. */
static int32_t begin_activation(struct observer *observer, struct client *client,
				const struct ioctl_activation *activation,
				struct ioctl_activated *activated)
{
	struct os_client *os;
	uint32_t id;
	int32_t status = open_event(&observer->clients, &id, &os);

	if (status != OBSERVER_OK)
		return status;
	os_lock_acquire(observer->lock);
	status = join(observer, client, os, id, activation);
	struct ioctl_token token = client->token;
	os_lock_release(observer->lock);
	if (status != OBSERVER_OK) {
		os_client_close(os);
		return status;
	}

	status = observe_if_wanted(observer);
	if (status != OBSERVER_OK) {
		end_activation(observer, client);
		return status;
	}
	*activated = (struct ioctl_activated){.client_id = id, .token = token};
	return OBSERVER_OK;
}

int32_t observer_activate(struct observer *observer, struct client *client,
			  const struct ioctl_activation *activation,
			  struct ioctl_activated *activated)
{
	os_gate_acquire(observer->gate);
	int32_t status = begin_activation(observer, client, activation, activated);
	os_gate_release(observer->gate);
	return status;
}

int32_t observer_deactivate(struct observer *observer, struct client *client)
{
	int32_t status = OBSERVER_INVALID_STATE;

	os_gate_acquire(observer->gate);
	if (client->active) { /* changes under the gate only */
		end_activation(observer, client);
		status = observe_if_wanted(observer);
	}
	os_gate_release(observer->gate);
	return status;
}

int32_t observer_reside(struct observer *observer, const char *version)
{
	struct clients *clients = &observer->clients;

	os_gate_acquire(observer->gate);
	bool resided = clients->resident.resides; /* changes under the gate only */
	os_lock_acquire(observer->lock);
	if (version)
		resident_begin(clients, &observer->ring, version, (int64_t)os_now_ns());
	else
		resident_end(clients);
	os_lock_release(observer->lock);

	int32_t status = observe_if_wanted(observer);
	if (status != OBSERVER_OK && !resided) {
		os_lock_acquire(observer->lock);
		resident_end(clients);
		os_lock_release(observer->lock);
	}
	os_gate_release(observer->gate);
	return status;
}
