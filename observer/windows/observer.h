/* SPDX-License-Identifier: MIT */
/*
 * The driver's state, of which there is one a load: ring, clients, and whether the kernel calls us.
 * The kernel calls us as long as a client is active or monitoring is resident.
 *
 * Two locks, the gate first: the gate is held while the kernel is told to call us or to stop, which
 * waits for calls that are under way; those take the lock. So nobody tells the kernel anything
 * while holding the lock.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_OBSERVER_H
#define PROCOBSRV_OBSERVER_WINDOWS_OBSERVER_H

#include "clients.h"
#include "record_writer.h"

struct os_gate;
struct os_lock;

struct observer {
	struct os_gate *gate;
	struct os_lock *lock;
	struct ring ring;	/* under lock */
	struct clients clients; /* under lock */
	bool observing;		/* under gate, read under lock; the kernel calls us */
	uint32_t system_flags;	/* of enum ioctl_driver_flag: what this system has */
};

/*
 * A ring of about `wanted_size` bytes (ring_size()), and nobody reads it. NULL: no memory.
 * PASSIVE_LEVEL.
 */
struct observer *observer_create(uint64_t wanted_size, uint32_t system_flags);
/* Ends all that is left: clients, residence, the kernel's calls. NULL is allowed. PASSIVE_LEVEL. */
void observer_destroy(struct observer *observer);

/*
 * Keeps what the kernel has told and wakes who waits for it. PASSIVE_LEVEL, from any number of
 * threads at once.
 */
void observer_keep(struct observer *observer, const struct observation *observation);

/* A handle is opened; NULL: no memory. PASSIVE_LEVEL. */
struct client *observer_open(struct observer *observer, uint32_t pid);
/*
 * Serves no request of this client from now on and ends what it has: its read, its event, its
 * share in monitoring. May be called again, and while requests of the client are under way.
 * PASSIVE_LEVEL.
 */
void observer_detach(struct observer *observer, struct client *client);
/* Detaches the client and frees it. Its requests have ended. PASSIVE_LEVEL. */
void observer_close(struct observer *observer, struct client *client);

/*
 * The client gets an event and goes on as `activation` says, whose flags are valid. 0 and
 * *activated, or an NTSTATUS and nothing has changed. PASSIVE_LEVEL.
 */
int32_t observer_activate(struct observer *observer, struct client *client,
			  const struct ioctl_activation *activation,
			  struct ioctl_activated *activated);
/* OBSERVER_INVALID_STATE: it is not active. PASSIVE_LEVEL. */
int32_t observer_deactivate(struct observer *observer, struct client *client);

/* Makes monitoring resident (version has a NUL) or, with NULL, ends that. 0 or an NTSTATUS.
 * PASSIVE_LEVEL. */
int32_t observer_reside(struct observer *observer, const char *version);

#endif
