/* SPDX-License-Identifier: MIT */
/* A client of the driver's portable part, and what it checks of all that it is told. */
#ifndef PROCOBSRV_TESTS_DRIVER_DRIVER_CLIENT_H
#define PROCOBSRV_TESTS_DRIVER_DRIVER_CLIENT_H

#include "host.h"
#include "requests.h"

#include <stdbool.h>

#define READ_SIZE_MIN (sizeof(struct ioctl_batch) + RECORD_SIZE_MAX)

/* What has been told so far. */
struct tally {
	uint64_t number;		  /* of the last record; where it began before the first */
	uint32_t lost[RECORD_LOST_KINDS]; /* what the last record bore */
	uint64_t delivered[RECORD_LOST_KINDS];
	uint64_t told_lost[RECORD_LOST_KINDS];
};

struct driver_client {
	struct observer *observer;
	struct client *client;
	uint32_t id;
	struct ioctl_token token; /* after the last batch */
	struct tally tally;
	uint64_t *reply;
	size_t reply_size;
	struct os_read read;
	bool waits; /* the read was begun and had to wait */
	/* Called, if not NULL, before the first record of a batch and after each: the token there.
	 */
	void (*on_record)(const struct ioctl_token *token, const struct tally *tally);
};

/* Opens the device. */
void driver_client_open(struct driver_client *client, struct observer *observer, size_t reply_size);
/* Closes it: cleanup, then, when its read has ended, close. */
void driver_client_close(struct driver_client *client);

/* Each returns the status. `token` is for IOCTL_ACTIVATE_RESUME, else NULL. The tally begins anew
 * at the token; of a resident reader it goes on where `*resume` was, if not NULL. */
int32_t driver_client_activate(struct driver_client *client, uint32_t flags,
			       const struct ioctl_token *token);
int32_t driver_client_deactivate(struct driver_client *client);
int32_t driver_client_reside(struct driver_client *client, bool reside);
int32_t driver_client_acknowledge(struct driver_client *client, const struct ioctl_token *token);
void driver_client_query(struct driver_client *client, struct ioctl_information *information);

/* Begins to read; OBSERVER_PENDING: host_read_wait() and driver_client_take() later. */
int32_t driver_client_read_begin(struct driver_client *client);
/* Checks the batch that has come and counts it; returns its status. */
int32_t driver_client_take(struct driver_client *client);
/* Reads and waits; returns the status. */
int32_t driver_client_read(struct driver_client *client);
/* Reads until there is nothing left; returns how many records came. */
uint64_t driver_client_drain(struct driver_client *client);

/* One record against the last; counts it. Fails the test if the numbers and the losses differ. */
void tally_record(struct tally *tally, const struct record_header *header);

/* A start whose command line can be told from its pid, so that a torn record shows; or an exit. */
void make_observation(struct observation *observation, enum record_kind kind, uint32_t pid);

/* Has the kernel tell of so many starts and exits, half of each. */
void inject_events(struct observer *observer, int count);

/* Destroys it; fails the test if anything is left then. */
void end_observer(struct observer *observer);

/* One request that does not wait. Returns its status. */
int32_t serve(struct driver_client *client, uint32_t code, const void *input, size_t input_size,
	      void *output, size_t output_size, size_t *written);

#endif
