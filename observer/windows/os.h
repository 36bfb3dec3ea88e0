/* SPDX-License-Identifier: MIT */
/*
 * What the driver's portable part asks of the system. The kernel's answers are in os.c, waiting.c
 * and registration.c; the host's, which also check the rules below, in tests/driver/.
 *
 * IRQL: each function says at most at which it may be called. os_lock raises to APC_LEVEL; no
 * function of the portable part runs above it.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_OS_H
#define PROCOBSRV_OBSERVER_WINDOWS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct os_lock;	  /* guards ring and clients; short */
struct os_gate;	  /* guards who wants monitoring; held while the kernel is told */
struct os_client; /* a client's named event, and its one read that waits */
struct os_read;	  /* a request to read that has not been completed */

/* Zeroed memory that is never paged out; NULL: none left. APC_LEVEL. */
void *os_allocate(size_t size);
/* NULL is allowed. APC_LEVEL. */
void os_free(void *memory);

/* NULL: no memory. PASSIVE_LEVEL. */
struct os_lock *os_lock_create(void);
void os_lock_destroy(struct os_lock *lock);
/* At PASSIVE_LEVEL; until it is released the caller is at APC_LEVEL and takes no other. */
void os_lock_acquire(struct os_lock *lock);
void os_lock_release(struct os_lock *lock);

/* NULL: no memory. PASSIVE_LEVEL, as all of these; the caller stays there. Taken before os_lock. */
struct os_gate *os_gate_create(void);
void os_gate_destroy(struct os_gate *gate);
void os_gate_acquire(struct os_gate *gate);
void os_gate_release(struct os_gate *gate);

/* Nanoseconds since 1970, UTC. Any IRQL. */
uint64_t os_now_ns(void);

/* Copies from memory of the caller's that may be paged out. APC_LEVEL, never under a spin lock. */
void os_copy_pageable(void *to, const void *from, size_t size);

/*
 * Has the kernel call the notify routine from now on, or no longer; then no call is under way when
 * it returns. 0 or an NTSTATUS. PASSIVE_LEVEL, under the gate.
 */
int32_t os_observe(bool on);

/*
 * Makes the event of a client that activates. 0 and *client, or an NTSTATUS: STATUS_OBJECT_NAME_
 * COLLISION if there is one of its name. PASSIVE_LEVEL, without os_lock.
 */
int32_t os_client_open(uint32_t client_id, struct os_client **client);
/* Its read has been taken before. PASSIVE_LEVEL, without os_lock. */
void os_client_close(struct os_client *client);

/* The following are called under os_lock. */

/* Sets the client's event, or resets it. */
void os_client_signal(struct os_client *client, bool readable);
/*
 * Lets a read wait. 0; STATUS_DEVICE_BUSY: one waits already; STATUS_CANCELLED: it has been
 * cancelled before it could wait. With an error the caller completes it.
 */
int32_t os_client_park(struct os_client *client, struct os_read *read);
/* The read that waits, which is the caller's now; NULL: none does, or it is being cancelled. */
struct os_read *os_client_take(struct os_client *client);
/* Where the reply of a read goes, aligned to 8. */
void *os_read_buffer(const struct os_read *read, size_t *size);
/* Notes the result of a read that was taken and puts it before those of `*list`. */
void os_read_finish(struct os_read *read, int32_t status, size_t written, struct os_read **list);

/* Without os_lock: tells the owners of what has been finished. NULL is allowed. APC_LEVEL. */
void os_reads_complete(struct os_read *list);

#endif
