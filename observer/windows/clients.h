/* SPDX-License-Identifier: MIT */
/*
 * Who reads the ring, and how far each has come. A client whose next records have been evicted has
 * lost evicted[kind] - passed[kind] of each kind, and goes on at the oldest that is left; what it
 * has lost so far stands in every record that it gets.
 *
 * The resident monitoring keeps a token of its own, which only acknowledgements move, and one
 * client at a time reads for it. A reader that comes back gets the same records with the same
 * counters as the one before it, so that what was told twice can be recognised.
 *
 * Everything here is called under os_lock.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_CLIENTS_H
#define PROCOBSRV_OBSERVER_WINDOWS_CLIENTS_H

#include "ioctl.h"
#include "ring.h"

#include <stdbool.h>
#include <stddef.h>

/* The most that one read copies, since whoever starts a process waits for the lock meanwhile. */
#define CLIENT_BATCH_SIZE_MAX (1u << 20)

/* Of one open handle. */
struct client {
	struct client *next;
	uint32_t pid; /* who opened it */
	bool closed;  /* its handle is gone: no request is served any more */
	bool active;
	/* While active: */
	uint32_t id;
	bool resident;	      /* reads for the resident monitoring */
	bool signalled;	      /* its event is set */
	struct os_client *os; /* owned */
	struct ioctl_token token;
	uint64_t lost[RECORD_LOST_KINDS]; /* evicted before it was read */
};

/* From `position` on the resident reader's records bore these counters. */
struct passage {
	uint64_t position;
	uint64_t lost[RECORD_LOST_KINDS];
};

/*
 * The reader's overruns that have not been acknowledged. If it should ever have more of them, the
 * last ones are counted as one: a reader that then dies in their midst is told too much, never too
 * little.
 */
#define PASSAGES_MAX 256

struct resident {
	bool resides;
	int64_t since_ns;
	char version[32];
	struct ioctl_token token;	  /* the last acknowledged */
	uint64_t lost[RECORD_LOST_KINDS]; /* to its readers before that token */
	struct client *reader;		  /* NULL: none now */
	uint32_t passage_count;
	struct passage passages[PASSAGES_MAX]; /* by position */
};

struct clients {
	struct client *first;
	uint32_t active_count;
	uint32_t last_id;
	struct resident resident;
};

/* Where what comes next begins. */
void token_at_end(const struct ring *ring, struct ioctl_token *token);

/*
 * Whether `token` is one that a reader of this ring can have. Tokens before the oldest record can
 * only be held against the counts. `known` is a valid one before it, from where on to look, or
 * NULL.
 */
bool token_is_valid(const struct ring *ring, const struct ioctl_token *known,
		    const struct ioctl_token *token);

bool client_has_records(const struct client *client, const struct ring *ring);

/*
 * Fills `buffer`, aligned to 8 and of at least a batch and RECORD_SIZE_MAX, with the client's next
 * records, of which there is one at least. Returns the bytes written, moves the client on.
 */
size_t client_read(struct clients *clients, struct client *client, const struct ring *ring,
		   void *buffer, size_t size);

/* Makes monitoring resident from here on, if it is not; `version` has a NUL. */
void resident_begin(struct clients *clients, const struct ring *ring, const char *version,
		    int64_t now_ns);
/* No longer; its reader goes on as a client of its own. */
void resident_end(struct clients *clients);
/* The client goes on for the resident monitoring, which has no reader. */
void resident_hand_to(struct clients *clients, struct client *client);
/* False: not one that its reader can acknowledge now. */
bool resident_acknowledge(struct clients *clients, const struct ring *ring,
			  const struct ioctl_token *token);

#endif
