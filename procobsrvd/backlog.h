/* SPDX-License-Identifier: MIT */
/*
 * The latest events as records, once for all readers: a ring of bytes that evicts its oldest.
 * Offsets count bytes since the beginning and name an event. Who holds the server's lock may use
 * it.
 */
#ifndef PROCOBSRV_PROCOBSRVD_BACKLOG_H
#define PROCOBSRV_PROCOBSRVD_BACKLOG_H

#include "census.h"
#include "record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum backlog_kind {
	BACKLOG_EVENT,	/* its last record is the event's, those before it are chunks */
	BACKLOG_GAP,	/* a RECORD_GAP */
	BACKLOG_FILLER, /* the end of the memory: the next one is at its beginning */
};

struct backlog_entry {
	uint32_t size;		    /* bytes of this and what follows, a multiple of 8 */
	uint16_t kind;		    /* enum backlog_kind */
	uint16_t record_kind;	    /* enum record_kind of the last record */
	uint32_t uid;		    /* who may see it; OWNER_NOBODY: none but those with rights */
	struct census_users others; /* an exit: who may know that the process is gone */
	uint64_t stream;
	uint64_t position;
	uint64_t after; /* position before which all is known when this one has been read */
	uint64_t seq;
	uint64_t time_ns;
	uint64_t cgroup; /* whose path can be told (server->groups); 0: none */
};

struct backlog {
	char *memory;
	uint64_t size; /* of memory */
	uint64_t tail; /* offset of the oldest */
	uint64_t head; /* offset after the newest */
};

/* `size` is rounded to whole pages. False: out of memory. */
bool backlog_open(struct backlog *backlog, uint64_t size);
void backlog_close(struct backlog *backlog);

/* Forgets all, and gives the memory back to the system; offsets go on. */
void backlog_clear(struct backlog *backlog);

/*
 * Appends an entry of `size` bytes of records, a multiple of 8. `evict` is called for each entry
 * that has to go, before it does. False: it is larger than a quarter of the memory.
 */
bool backlog_append(struct backlog *backlog, const struct backlog_entry *entry, const void *records,
		    size_t size,
		    void (*evict)(const struct backlog_entry *entry, uint64_t offset, void *param),
		    void *param);

/* `offset` is that of an entry. */
const struct backlog_entry *backlog_at(const struct backlog *backlog, uint64_t offset);
/* Whether it is that of an entry which is there, or of the next one. Any number. */
bool backlog_holds(const struct backlog *backlog, uint64_t offset);

/* What each system supplies: zeroed memory that is taken as it is touched; clearing gives what is
 * there back, and it may be zero or not then. NULL: out of memory. */
void *backlog_memory_open(size_t size);
void backlog_memory_clear(void *memory, size_t size);
void backlog_memory_close(void *memory, size_t size);

#endif
