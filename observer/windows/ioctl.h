/* SPDX-License-Identifier: MIT */
/*
 * What the driver ProcObsrv and its clients say to each other: device, control codes and their
 * structs, the same for 32-bit and 64-bit clients (no handle, no pointer, no padding).
 *
 * One ring holds every record (observer/record.h) since the driver was loaded; a full ring evicts
 * its oldest. A position counts bytes of records from the load on; the size of each record is a
 * multiple of 8 (zeros complete it after its strings), and so are positions. Every client that has
 * activated monitoring has a token of its own: up to where it has read, and how many records of
 * each kind came before that. What is evicted before a client has read it is lost to that client,
 * and counted by kind: evicted[kind] - passed[kind].
 *
 * All codes are METHOD_BUFFERED and need read and write access to the device. Every input begins
 * with its size and IOCTL_PROCOBSRV_VERSION; both are checked exactly, as are the sizes of the
 * buffers (but that of a read): STATUS_INFO_LENGTH_MISMATCH, STATUS_REVISION_MISMATCH. A reply is
 * as long as what was written. Integers are little-endian.
 */
#ifndef PROCOBSRV_OBSERVER_WINDOWS_IOCTL_H
#define PROCOBSRV_OBSERVER_WINDOWS_IOCTL_H

#include "../record.h"

#include <stdint.h>

#define IOCTL_PROCOBSRV_VERSION 1

#define PROCOBSRV_SERVICE_NAME L"ProcObsrv"
#define PROCOBSRV_DRIVER_FILE  L"ProcObsrv.sys"
#define PROCOBSRV_DEVICE_NAME  L"\\Device\\ProcObsrv"
#define PROCOBSRV_LINK_NAME    L"\\DosDevices\\ProcObsrv"
#define PROCOBSRV_CLIENT_PATH  L"\\\\.\\ProcObsrv" /* for CreateFileW */
/* A client's event, followed by its client_id in decimal. Set while it has records to read. */
#define PROCOBSRV_EVENT_PREFIX	      L"\\BaseNamedObjects\\ProcObsrvEvent-"
#define PROCOBSRV_CLIENT_EVENT_PREFIX L"Global\\ProcObsrvEvent-"

/* CTL_CODE(FILE_DEVICE_UNKNOWN, function, METHOD_BUFFERED, FILE_READ_DATA | FILE_WRITE_DATA) */
#define IOCTL_PROCOBSRV_CODE(function) ((0x22u << 16) | (3u << 14) | ((function) << 2))

/* In: nothing. Out: struct ioctl_information. Allowed to a client that has not activated. */
#define IOCTL_PROCOBSRV_QUERY IOCTL_PROCOBSRV_CODE(0x800u)
/* In: struct ioctl_activation. Out: struct ioctl_activated; of a deactivation: nothing.
 * STATUS_INVALID_DEVICE_STATE: this client is active, or to be deactivated and is not. */
#define IOCTL_PROCOBSRV_ACTIVATE_MONITORING IOCTL_PROCOBSRV_CODE(0x801u)
/*
 * In: struct ioctl_read. Out: struct ioctl_batch, then its records. Waits while there is none to
 * read; one read of a client waits at a time (else STATUS_DEVICE_BUSY). A waiting read ends with
 * STATUS_CANCELLED when it is cancelled, its client closes or deactivates.
 * STATUS_INVALID_DEVICE_STATE: this client is not active.
 */
#define IOCTL_PROCOBSRV_READ IOCTL_PROCOBSRV_CODE(0x802u)
/* In: struct ioctl_acknowledgement, from the resident reader (else STATUS_INVALID_DEVICE_STATE).
 * Out: nothing. */
#define IOCTL_PROCOBSRV_ACKNOWLEDGE IOCTL_PROCOBSRV_CODE(0x803u)
/* In: struct ioctl_residence. Out: nothing. Makes monitoring resident, or ends that. */
#define IOCTL_PROCOBSRV_RESIDE IOCTL_PROCOBSRV_CODE(0x804u)

/* What every input begins with. */
struct ioctl_header {
	uint32_t size;	  /* of the whole input */
	uint32_t version; /* IOCTL_PROCOBSRV_VERSION */
};

/* Where a reader is. */
struct ioctl_token {
	uint64_t stream;		    /* which load of the driver; 0: no token */
	uint64_t position;		    /* before its next record */
	uint64_t passed[RECORD_LOST_KINDS]; /* records before it, by RECORD_LOST_INDEX */
};

enum ioctl_activation_flag {
	IOCTL_ACTIVATE = 1u << 0, /* else: deactivate; the rest is then 0 */
	/*
	 * Go on at the token; STATUS_INVALID_PARAMETER if it is none of this load. Without it the
	 * client begins at the end of the ring: with what happens after the reply.
	 */
	IOCTL_ACTIVATE_RESUME = 1u << 1,
	/*
	 * Be the reader of the resident monitoring, of whom there is one (else STATUS_SHARING_
	 * VIOLATION), and go on where the last one acknowledged; its token is not looked at.
	 * STATUS_NOT_FOUND: monitoring is not resident.
	 */
	IOCTL_ACTIVATE_RESIDENT = 1u << 2,
};

struct ioctl_activation {
	struct ioctl_header header;
	uint32_t flags;	   /* enum ioctl_activation_flag */
	uint32_t reserved; /* 0 */
	struct ioctl_token token;
};

struct ioctl_activated {
	uint32_t client_id; /* of its event's name; never used twice in a load */
	uint32_t reserved;
	struct ioctl_token token; /* where it begins */
};

struct ioctl_read {
	struct ioctl_header header;
};

/*
 * A batch. The records follow each other without room between, each with its size in its header.
 * The header.lost of each has been replaced by this client's own counters: what had been evicted
 * before it read it. They begin at 0 with its activation; those of the resident monitoring's reader
 * go on where they stood at the token that was acknowledged last, so that a record that is read
 * again bears the same. The smallest output buffer that is accepted holds a batch and one record of
 * RECORD_SIZE_MAX (else STATUS_BUFFER_TOO_SMALL); of a larger one than 1 MiB no more is filled.
 */
struct ioctl_batch {
	uint32_t size;			  /* of this struct and the records */
	uint32_t count;			  /* records, at least 1 */
	uint64_t position;		  /* of the first record */
	struct ioctl_token token;	  /* after the last record */
	uint64_t lost[RECORD_LOST_KINDS]; /* what header.lost of the last record is made of */
};

struct ioctl_acknowledgement {
	struct ioctl_header header;
	/* The token before which all is safe with a user: between the last one and what was read.
	 */
	struct ioctl_token token;
};

struct ioctl_residence {
	struct ioctl_header header;
	uint32_t reside;   /* 1: monitor from now on without any client; 0: no longer */
	uint32_t reserved; /* 0 */
	char version[32];  /* of the program that asks for it, ended by NUL; kept for QUERY */
};

enum ioctl_driver_flag {
	IOCTL_DRIVER_MONITORS = 1u << 0,	 /* its notify routine is registered */
	IOCTL_DRIVER_RESIDENT = 1u << 1,	 /* monitoring goes on without clients */
	IOCTL_DRIVER_HAS_COMMAND_LINE = 1u << 2, /* the extended notify routine is in use */
	IOCTL_DRIVER_32_BIT = 1u << 3,
};

struct ioctl_information {
	uint32_t size;		 /* of this struct */
	uint32_t version;	 /* IOCTL_PROCOBSRV_VERSION */
	uint32_t record_version; /* RECORD_VERSION */
	uint32_t flags;		 /* enum ioctl_driver_flag */
	uint64_t stream;
	uint64_t ring_size; /* bytes */
	uint64_t head;	    /* position after the newest record */
	uint64_t tail;	    /* position of the oldest record */
	uint64_t number;    /* the last one given: all observations since the load */
	uint64_t evicted[RECORD_LOST_KINDS];
	/* Observations for which no record could be made, by kind: 0, since the driver writes into
	 * the ring in place and needs no memory for a record. */
	uint64_t dropped[RECORD_LOST_KINDS];
	uint32_t clients;	   /* that have activated */
	uint32_t resident_holder;  /* pid of the reader of the resident monitoring; 0: none */
	int64_t resident_since_ns; /* since 1970, UTC; 0: not resident */
	struct ioctl_token resident_token; /* the last acknowledged */
	/* What header.lost was there: evicted before its readers had read it. */
	uint64_t resident_lost[RECORD_LOST_KINDS];
	char resident_version[32];
};

_Static_assert(sizeof(struct ioctl_token) == 48, "the version must be updated");
_Static_assert(sizeof(struct ioctl_activation) == 64, "the version must be updated");
_Static_assert(sizeof(struct ioctl_activated) == 56, "the version must be updated");
_Static_assert(sizeof(struct ioctl_batch) == 96, "the version must be updated");
_Static_assert(sizeof(struct ioctl_acknowledgement) == 56, "the version must be updated");
_Static_assert(sizeof(struct ioctl_residence) == 48, "the version must be updated");
_Static_assert(sizeof(struct ioctl_information) == 248, "the version must be updated");

#endif
