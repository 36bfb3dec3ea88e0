/* SPDX-License-Identifier: MIT */
/* What clients ask for (ioctl.h): every size and value is checked here, and nowhere else. */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_REQUESTS_H
#define PROCOBSRV_OBSERVER_WINDOWS_REQUESTS_H

#include "observer.h"

struct os_read;

struct request {
	uint32_t code;
	void *buffer; /* aligned to 8, for input and output; may be NULL if both sizes are 0 */
	size_t input_size;
	size_t output_size;
	struct os_read *read; /* the request itself, for when it has to wait */
};

/*
 * Serves a request. 0: *written bytes of the buffer are the reply. OBSERVER_PENDING: it waits, and
 * may have been completed already. Else an NTSTATUS and *written is 0. PASSIVE_LEVEL, any number of
 * threads at once.
 */
int32_t request_serve(struct observer *observer, struct client *client,
		      const struct request *request, size_t *written);

#endif
