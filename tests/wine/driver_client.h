/* SPDX-License-Identifier: MIT */
/* A client of ProcObsrv.sys that speaks its control codes and nothing else. */
#ifndef PROCOBSRV_TESTS_WINE_DRIVER_CLIENT_H
#define PROCOBSRV_TESTS_WINE_DRIVER_CLIENT_H

#include "helper/helper_ioctl.h"

#include "../../observer/windows/ioctl.h"

#include <windows.h>

#include <stdbool.h>

#define CLIENT_BUFFER_MIN (sizeof(struct ioctl_batch) + RECORD_SIZE_MAX)

/* Loads the driver from the file; each returns 0 or the system's error. */
DWORD driver_begin(const wchar_t *path);
DWORD driver_end(void);
/* Neither its service nor its device is left, nor a callback; fails the running case otherwise. */
void driver_expect_gone(void);

struct client {
	HANDLE device;
	HANDLE answered; /* event of calls that are waited for */
	HANDLE finished; /* event of the one read that may wait */
	OVERLAPPED overlapped;
	uint32_t id;
	struct ioctl_token token; /* after what was read last */
	uint8_t *buffer;
	DWORD buffer_size;
	bool waiting; /* a read is pending */
};

/* For what comes at once, on a machine that has other things to do. */
#define CLIENT_LIMIT_MS 30000

/* What a client was told, held against the rules of record.h and ioctl.h while it is counted. */
struct tally {
	uint64_t delivered[RECORD_LOST_KINDS];
	uint64_t lost[RECORD_LOST_KINDS];
	uint64_t batches;
	uint64_t last_number; /* 0: none yet */
	uint64_t last_lost;   /* of all kinds, as the last record told it */
	uint64_t unnamed;     /* starts without exe */
	uint32_t first_pid;   /* of the injection whose order is checked; 0: none is */
	uint32_t next_pid[HELPER_THREADS_MAX];
	uint64_t disorders; /* a thread's events that came in another order */
};

/* 0 or the system's error; buffer_size 0: the least that the driver takes. */
DWORD client_open(struct client *client, DWORD buffer_size);
void client_close(struct client *client);

/* Any code, waited for. Returns 0 or the system's error. */
DWORD client_control(struct client *client, DWORD code, const void *in, DWORD in_size, void *out,
		     DWORD out_size, DWORD *written);

/* flags: enum ioctl_activation_flag. token may be NULL. */
DWORD client_activate(struct client *client, uint32_t flags, const struct ioctl_token *token);
DWORD client_deactivate(struct client *client);
DWORD client_acknowledge(struct client *client, const struct ioctl_token *token);
DWORD client_reside(struct client *client, bool reside);
DWORD client_query(struct client *client, struct ioctl_information *information);

/* Begins a read: 0 (it is complete), ERROR_IO_PENDING, or another error. */
DWORD client_begin_read(struct client *client);
/* Waits for it: 0, WAIT_TIMEOUT (it still waits), or the read's error. */
DWORD client_end_read(struct client *client, DWORD limit_ms);
/* A read within the limit; WAIT_TIMEOUT: there was nothing, and nothing is pending any more. */
DWORD client_read(struct client *client, DWORD limit_ms);

/* Whether there are records in the ring that it has not read; fails the running case if it cannot
 * be asked. */
bool client_has_more(struct client *client);

/* The batch that was read. */
const struct ioctl_batch *client_batch(const struct client *client);
/* Its records one after the other: begin with NULL; NULL: there are no more. */
const struct record_header *client_next(const struct client *client,
					const struct record_header *record);

/* Counts the batch that was read. */
void tally_batch(struct tally *tally, const struct client *client);
/* Reads and counts until the client has come to this position, pausing after each batch. */
DWORD tally_until(struct tally *tally, struct client *client, uint64_t position, DWORD pause_ms);

uint64_t sum_of_kinds(const uint64_t *counts);

#endif
