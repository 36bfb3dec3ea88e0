/* SPDX-License-Identifier: MIT */
/*
 * What a reader and the service say to each other on a stream socket (or a pipe): frames, each a
 * struct service_frame and so many bytes as that says. The reader asks, the service answers; after
 * the welcome the service also sends records by itself. All integers have the byte order of the
 * machine, as in observer/record.h: both ends are on one.
 *
 *	reader				service
 *	hello				welcome, or error and the end
 *					records, as they come, for ever
 *	snapshot			snapshot parts, snapshot end; records in between
 *	statistics			statistics
 *	bye				the end
 *
 * The functions here are pure: from memory to memory. What they read may be any bytes.
 */
#ifndef PROCOBSRV_LIB_SERVICE_PROTOCOL_H
#define PROCOBSRV_LIB_SERVICE_PROTOCOL_H

#include "../observer/record.h"
#include "buffer.h"
#include "source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_MAGIC	0x5653424fu /* "OBSV" */
#define SERVICE_VERSION 1

/* Most bytes that follow a frame's header: of a request, and of an answer. */
#define SERVICE_REQUEST_MOST 256u
#define SERVICE_ANSWER_MOST  (256u << 10)

struct service_frame {
	uint32_t magic;
	uint16_t version; /* SERVICE_VERSION */
	uint16_t kind;	  /* enum service_kind */
	uint32_t size;	  /* bytes that follow */
	uint32_t reserved;
};

enum service_kind {
	SERVICE_HELLO = 1,
	SERVICE_SNAPSHOT = 2,
	SERVICE_STATISTICS = 3,
	SERVICE_BYE = 4,

	SERVICE_WELCOME = 101,
	SERVICE_RECORDS = 102,
	SERVICE_SNAPSHOT_PART = 103,
	SERVICE_SNAPSHOT_END = 104,
	SERVICE_FIGURES = 105,
	SERVICE_ERROR = 106,
};

/* Where a reader stands: what it gives to a later connection to go on there. */
struct service_cursor {
	uint64_t epoch;	   /* names the run of the service; 0: no cursor */
	uint64_t offset;   /* in what that run keeps */
	uint64_t stream;   /* of the observer, which outlives the service */
	uint64_t position; /* records before it have been read */
	uint64_t seq;	   /* of the last event, as the service counts them */
	uint64_t number;   /* in the header of the last record that was read */
};

enum service_hello_flag {
	SERVICE_RESUME = 1u << 0,	  /* go on after the cursor */
	SERVICE_KERNEL_THREADS = 1u << 1, /* for the service to know; it may send more or less */
};

struct service_hello {
	uint32_t record_version; /* RECORD_VERSION */
	uint32_t kinds;		 /* mask of 1u << enum record_kind that are wanted */
	uint32_t flags;		 /* enum service_hello_flag */
	uint32_t root_pid;	 /* the tree that is wanted; 0: the machine */
	struct service_cursor cursor;
};

enum service_rights {
	SERVICE_RIGHTS_ALL = 1,
	SERVICE_RIGHTS_OWN = 2, /* processes that run for the reader's user alone */
};

#define SERVICE_LIMITS_SIZE 512

struct service_welcome {
	uint32_t record_version;
	uint32_t rights; /* enum service_rights */
	uint32_t uid;	 /* of the reader, as the service sees it */
	uint32_t kinds;	 /* mask of 1u << enum record_kind that the service observes */
	uint32_t flags;	 /* 0 */
	uint32_t reserved;
	uint64_t memory_size;	      /* bytes that may wait for all readers together */
	struct service_cursor cursor; /* where the records begin */
	char boot[40];		      /* NUL-terminated, as all texts here */
	char backend[16];
	char limits[SERVICE_LIMITS_SIZE]; /* what the service misses; empty: nothing */
};

/*
 * Followed by `count` times: uint64_t position, and a record padded with zero to 8 bytes. Before
 * the first record that names a control group comes a note of its path (RECORD_CGROUP), where the
 * service knows it; a note may come again.
 */
struct service_records {
	struct service_cursor after; /* the last of them */
	uint32_t count;		     /* may be 0: how far there was nothing to send */
	uint32_t reserved;
};

struct service_snapshot {
	uint32_t id; /* comes back in the answer */
	uint32_t reserved;
};

/* The parts before it, put together, are `count` records, each padded with zero to 8 bytes: notes
 * as in struct service_records, and one RECORD_EXISTING a process. */
struct service_snapshot_end {
	uint32_t id;
	uint32_t count;
	uint64_t position; /* struct source_operations.snapshot */
};

enum service_inquiry_flag {
	/* Answer when all that the kernel has observed by now can be read. */
	SERVICE_SETTLED = 1u << 0,
};

struct service_inquiry {
	uint32_t id;
	uint32_t flags; /* enum service_inquiry_flag */
};

struct service_figures {
	uint32_t id;
	uint32_t readers;     /* connected now */
	uint64_t position;    /* records before it can be read */
	uint64_t seq;	      /* of the last event */
	uint64_t memory_used; /* bytes that are kept for readers */
	uint64_t memory_size; /* at most so many */
	uint64_t sent;	      /* events sent to this reader */
	uint64_t lost;	      /* events that it was too slow for */
};

#define SERVICE_ERROR_TEXT_SIZE 400

struct service_error {
	int32_t code; /* enum procobsrv_error */
	uint32_t reserved;
	char text[SERVICE_ERROR_TEXT_SIZE];
};

_Static_assert(sizeof(struct service_frame) == 16, "the version must be updated");
_Static_assert(sizeof(struct service_cursor) == 48, "the version must be updated");
_Static_assert(sizeof(struct service_hello) == 64, "the version must be updated");
_Static_assert(sizeof(struct service_welcome) == 648, "the version must be updated");
_Static_assert(sizeof(struct service_records) == 56, "the version must be updated");
_Static_assert(sizeof(struct service_snapshot) == 8, "the version must be updated");
_Static_assert(sizeof(struct service_snapshot_end) == 16, "the version must be updated");
_Static_assert(sizeof(struct service_inquiry) == 8, "the version must be updated");
_Static_assert(sizeof(struct service_figures) == 56, "the version must be updated");
_Static_assert(sizeof(struct service_error) == 408, "the version must be updated");

/* ---- reading ---- */

struct service_request {
	uint16_t kind; /* enum service_kind */
	union {
		struct service_hello hello;
		struct service_snapshot snapshot;
		struct service_inquiry inquiry;
	} body;
};

struct service_answer {
	uint16_t kind;
	union {
		struct service_welcome welcome;
		struct service_records records;
		struct service_snapshot_end snapshot_end;
		struct service_figures figures;
		struct service_error error;
	} body;
	const char *data; /* what follows the body: records, a part of a snapshot. Borrowed */
	size_t size;
};

/*
 * Reads the first frame of `size` bytes. Returns how many bytes it has; 0: it is not all there yet;
 * negative: PROCOBSRV_ERROR_CORRUPT (malformed, too large) or _VERSION, with error_set().
 */
int service_read_request(const void *data, size_t size, struct service_request *request);
int service_read_answer(const void *data, size_t size, struct service_answer *answer);

/*
 * The next record of a SERVICE_RECORDS or (with_positions false) of a snapshot that was put
 * together. *offset begins at 0. `data` is aligned to 8. 1: *record is filled; 0: there is none;
 * negative: CORRUPT with error_set(). What is in the record has not been looked at but for its
 * size.
 */
int service_next_record(const char *data, size_t size, bool with_positions, size_t *offset,
			struct source_record *record);

/* ---- writing ---- */

/* Appends a frame with a body of `size` bytes; returns where in the buffer it begins. */
size_t service_write(struct buffer *buffer, enum service_kind kind, const void *body, size_t size);

/* Appends the record, with its position if wanted, to the frame at `frame`, the buffer's last. The
 * record's header is written as *header says. */
void service_write_record(struct buffer *buffer, size_t frame, const uint64_t *position,
			  const struct record_header *header, const void *record);

/* Appends bytes to the frame at `frame`, the buffer's last. */
void service_write_more(struct buffer *buffer, size_t frame, const void *data, size_t size);

void service_write_error(struct buffer *buffer, int code, const char *text);

#endif
