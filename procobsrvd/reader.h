/* SPDX-License-Identifier: MIT */
/* One reader of the server: who it is, where it stands, what it still gets. */
#ifndef PROCOBSRV_PROCOBSRVD_READER_H
#define PROCOBSRV_PROCOBSRVD_READER_H

#include "buffer.h"
#include "server_private.h"
#include "told_groups.h"

#define READER_REQUESTS_MOST 1024u

enum reader_state {
	READER_GREETED, /* connected, has not said hello */
	READER_WAITS,	/* for the server to know the processes that run */
	READER_READS,
	READER_ENDS, /* is closed when what is to be sent has been */
};

struct reader {
	struct reader *next; /* in server->readers; the lock */
	struct connection *connection;
	enum reader_state state;
	uint32_t rights; /* enum service_rights */
	uint32_t uid;	 /* owner.h */
	uint32_t pid;
	bool waits_for_room; /* to send */
	uint64_t since_ns;
	struct service_hello hello;

	char input[READER_REQUESTS_MOST];
	size_t input_size;
	struct buffer output;
	size_t output_sent;

	/* Its place; eviction changes it: the server's lock. */
	uint64_t offset;
	size_t within;		  /* bytes of that entry's records that were sent */
	struct record_gap missed; /* since the last record that it got */
	bool has_missed;

	uint64_t skip_before; /* position: what it has had from an earlier run of the service */
	uint64_t position;    /* before which it knows all */
	uint64_t told;	      /* the same, as the last frame said */
	uint64_t told_offset; /* likewise: where it stood */
	uint64_t wanted;      /* a snapshot or an answer that it waits for reaches to there */
	uint64_t seq;
	uint64_t number;
	uint64_t sent;
	uint64_t lost;

	struct census_list list; /* of the snapshot that is being sent */
	size_t list_next;
	struct service_snapshot_end snapshot;
	bool in_snapshot;
	struct buffer part; /* a process of it that is being sent */
	size_t part_sent;

	struct told_groups told_groups;	  /* in the stream */
	struct told_groups listed_groups; /* in the snapshot, which is dealt with at another time */

	struct service_inquiry inquiry;
	bool in_inquiry;
	uint64_t settle_at;	  /* observed events: when so many are dealt with, it is answered */
	uint64_t settle_until_ns; /* but not later */
};

/* reader.c: the server's thread. */

/* Takes over a new connection; refused ones are closed. */
void reader_accept(struct server *server, struct connection *connection);
/* Reads what it asks. */
void reader_receive(struct server *server, struct reader *reader);
/* The census is known now. */
void reader_seeded(struct server *server, struct reader *reader);
/* Answers an inquiry that waits, if it is time. */
void reader_settle(struct server *server, struct reader *reader);
/* Closes it; it is gone. */
void reader_close(struct server *server, struct reader *reader);

/* reader_send.c: the server's thread. */

/* Sends until there is nothing to send or the socket is full. False: the connection is gone. */
bool reader_send(struct server *server, struct reader *reader);
/* Begins a snapshot. False: out of memory. */
bool reader_begin_snapshot(struct server *server, struct reader *reader, uint32_t id);

/* The lock: the entry at this offset is evicted. */
void reader_overtake(struct reader *reader, const struct backlog_entry *entry, uint64_t offset);
/* The lock: adds events that it did not get. */
void reader_miss(struct reader *reader, uint64_t unknown, uint32_t stage);

#endif
