/* SPDX-License-Identifier: MIT */
/*
 * observer/windows/os.h on the host, for tests of the driver's portable part: POSIX threads instead
 * of the kernel, with the kernel's rules. Each thread has an IRQL; what is called above the one
 * that it is declared for ends the program, as do locks in the wrong order, a request that is
 * completed twice, and memory that can be paged out and is touched other than by
 * os_copy_pageable().
 */
#ifndef PROCOBSRV_TESTS_DRIVER_HOST_H
#define PROCOBSRV_TESTS_DRIVER_HOST_H

#include "os.h"
#include "record_writer.h"

#include <stdbool.h>
#include <stdint.h>

enum host_irql {
	HOST_PASSIVE_LEVEL,
	HOST_APC_LEVEL,
	HOST_DISPATCH_LEVEL,
};

/* A request to read. Made by host_read_begin(), then given to request_serve(). */
struct os_read {
	void *buffer;
	size_t size;
	struct os_read *next;
	struct os_client *owner;
	bool cancellable; /* it waits, and its cancel routine has not been taken */
	bool cancelled;
	unsigned completions;
	int32_t status;
	size_t written;
};

void host_read_begin(struct os_read *read, void *buffer, size_t size);
/* The caller's own completion, when request_serve() does not return OBSERVER_PENDING. */
void host_read_end(struct os_read *read, int32_t status, size_t written);
/* Waits until it is completed. */
void host_read_wait(struct os_read *read);
bool host_read_is_done(struct os_read *read);
/* As the system cancels. The two halves are what may lie apart on a machine of several processors;
 * the second only if the first returned true. */
void host_read_cancel(struct os_read *read);
bool host_read_cancel_begin(struct os_read *read);
void host_read_cancel_finish(struct os_read *read);

/* What a client's event is, by the client's id. */
bool host_event_is_set(uint32_t client_id);
/* Waits until it is set; false: not within the time. */
bool host_event_wait(uint32_t client_id, int timeout_ms);

/* Calls `notify` if the kernel has been told to; the kernel waits for it before it stops. Returns
 * whether it did. */
bool host_notify(void (*notify)(void *param), void *param);
bool host_observes(void);

/* Raises this thread as a spin lock would. */
void host_spin_acquire(void);
void host_spin_release(void);
enum host_irql host_irql(void);

/*
 * Memory of `size` bytes that holds a copy of `bytes` and faults when it is touched, but through
 * os_copy_pageable(). One at a time, single-threaded. NULL frees it.
 */
const void *host_pageable(const void *bytes, size_t size);

/* What shall fail: the n-th from now on (1: the next), each number of times. 0: nothing. */
struct host_failures {
	unsigned allocation;
	unsigned event;	       /* with `event_status` */
	unsigned event_repeat; /* so many in a row; 0 is 1 */
	int32_t event_status;
	int32_t observe_status; /* what every os_observe(true) returns; 0: it works */
};
void host_fail(const struct host_failures *failures);

/* How much there is of what os.h gives: 0 when all has been given back. */
unsigned host_left(void);

#endif
