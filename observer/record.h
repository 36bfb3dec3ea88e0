/* SPDX-License-Identifier: MIT */
/*
 * The record: what an observer inside a kernel writes for each observation, on Linux (eBPF) and on
 * Windows (driver) alike, and what lib/record.c reads.
 *
 * Layout of one record, in this order, without padding:
 *
 *	struct record_header
 *	struct record_body		every kind but RECORD_CHUNK
 *	struct record_start		RECORD_START only
 *	struct record_exit		RECORD_EXIT only
 *	struct record_attempt		RECORD_EXEC_FAILED only
 *	struct record_image		if RECORD_HAS_IMAGE is set in header.flags
 *	strings				the image's, back to back in the order of enum record_string
 *
 * for RECORD_CHUNK: struct record_header, struct record_chunk, bytes;
 * for RECORD_GAP: struct record_header, struct record_gap;
 * for RECORD_CGROUP: struct record_header, struct record_cgroup, bytes.
 *
 * Every byte is written (kernel memory must not leak through padding); all integers are in the byte
 * order of the machine, which is little-endian. A change of layout changes RECORD_VERSION.
 */
#ifndef PROCOBSRV_OBSERVER_RECORD_H
#define PROCOBSRV_OBSERVER_RECORD_H

#include <stdint.h>

#define RECORD_VERSION 1

enum record_kind {
	RECORD_START = 1,
	RECORD_EXEC = 2,
	RECORD_EXEC_FAILED = 3,
	RECORD_EXIT = 4,
	RECORD_EXISTING = 5, /* from the task iterator: never numbered, never in the ring */
	RECORD_CHUNK = 6,    /* a piece of a long string; comes before the record it belongs to */
	RECORD_GAP = 7, /* made by user mode: what could not be kept, in the place where it was */
	/*
	 * From here on notes: what helps to tell events, and is none. They have no number, are not
	 * missed where they are given up, and a reader skips those that it does not know.
	 */
	RECORD_NOTES = 64,
	RECORD_CGROUP = 64, /* a control group is made; comes before any record of who is in it */
};

/* Index into record_header.lost and of every counter by kind: the record kind less one. */
#define RECORD_LOST_KINDS	4
#define RECORD_LOST_INDEX(kind) ((kind)-1)

enum record_flag {
	RECORD_HAS_IMAGE = 1u << 0, /* a record_image and its strings follow */
	RECORD_UTF16 = 1u << 1,	    /* the strings are UTF-16LE (Windows), else bytes */
	RECORD_SMALL = 1u << 2, /* the whole record did not fit the ring: strings were given up */
	RECORD_OTHER = 1u << 3, /* of two observers that replace each other, one sets this bit */
};

struct record_header {
	uint32_t size;	  /* bytes of the whole record, header included */
	uint16_t version; /* RECORD_VERSION */
	uint16_t kind;	  /* enum record_kind */
	uint32_t flags;	  /* enum record_flag */
	uint32_t cpu;	 /* whose numbers and losses these are; 0 where a kernel has one sequence */
	uint64_t number; /* per cpu, from 1, taken before room is asked for; chunks bear their
			    record's */
	uint64_t time_ns; /* boot clock */
	/* Observations of this cpu that found no room so far, by RECORD_LOST_INDEX; wraps at 2^32.
	 */
	uint32_t lost[RECORD_LOST_KINDS];
};

/* Who: pid alone is never a key. All zero when unknown. */
struct record_identity {
	uint64_t
	    start_ns;	 /* boot clock, of the thread group leader; Windows: see docs/windows.md */
	uint32_t pid;	 /* thread group id in the initial pid namespace */
	uint32_t ns_pid; /* the same in the process's own pid namespace; 0: not told */
};

#define RECORD_ID_UNKNOWN 0xffffffffu /* a uid, login uid or audit session that is not set */

struct record_credentials {
	uint32_t uid;
	uint32_t gid;
	uint32_t euid;
	uint32_t egid;
	uint32_t loginuid; /* audit */
	uint32_t session;  /* audit session; Windows: terminal session */
};

enum record_process_flag {
	RECORD_PROCESS_KERNEL_THREAD = 1u << 0,
	RECORD_PROCESS_NO_CREDENTIALS = 1u << 1, /* credentials are not told here (Windows) */
	RECORD_PROCESS_EXITING = 1u << 2,	 /* existing: a zombie, or on its way out */
	RECORD_PROCESS_EXECED = 1u << 3,	 /* existing: has run an exec since its fork */
	RECORD_PROCESS_STARTING = 1u << 4, /* existing: its start may not have been told yet */
};

#define RECORD_NAME_SIZE 16 /* the kernel's TASK_COMM_LEN */

struct record_body {
	struct record_identity process;
	struct record_identity parent;
	struct record_credentials credentials;
	char name[RECORD_NAME_SIZE]; /* NUL-terminated; empty on Windows, where exe tells it */
	uint64_t cgroup;	     /* id in the unified hierarchy; 0: not told */
	uint64_t exec_id;	     /* execs along the line of descent (Linux: self_exec_id) */
	uint32_t process_flags;	     /* enum record_process_flag */
	uint32_t tty;		     /* kernel device number (new_encode_dev's form); 0: none */
	uint32_t session_leader;     /* pid of the POSIX session's leader; 0: not told */
	uint32_t reserved;	     /* 0 */
};

struct record_start {
	struct record_identity
	    creator;	      /* who called fork; differs from parent under CLONE_PARENT */
	uint64_t clone_flags; /* 0: not told */
};

enum record_exit_flag {
	RECORD_EXIT_CORE_DUMPED = 1u << 0,
	RECORD_EXIT_STATUS_UNKNOWN = 1u << 1, /* code and signal are not known */
	RECORD_EXIT_USAGE_UNKNOWN = 1u << 2,  /* the times and the memory are not known */
};

struct record_exit {
	uint32_t code;		 /* what was passed to exit; 0 if a signal ended it */
	uint32_t signal;	 /* 0: none */
	uint32_t flags;		 /* enum record_exit_flag */
	uint32_t threads_unread; /* dying threads that the times lack: more than are read */
	uint64_t cpu_ns;	 /* sum_exec_runtime of all threads, the dead included */
	uint64_t user_ns;	 /* sampled by tick */
	uint64_t system_ns;	 /* sampled by tick */
	uint64_t max_rss_bytes;
};

struct record_attempt {
	uint32_t error;	   /* errno, positive */
	uint32_t reserved; /* 0 */
};

enum record_string {
	RECORD_STRING_EXE,	    /* Linux: path components, see RECORD_IMAGE_EXE_REVERSED */
	RECORD_STRING_CWD,	    /* likewise */
	RECORD_STRING_FILENAME,	    /* what the caller of exec named */
	RECORD_STRING_INTERPRETER,  /* of a script; empty if filename was run itself */
	RECORD_STRING_ARGV,	    /* each argument ended by NUL */
	RECORD_STRING_ENV,	    /* each variable ended by NUL */
	RECORD_STRING_COMMAND_LINE, /* Windows */
	RECORD_STRING_SID,	    /* Windows: S-1-5-... */
	RECORD_STRING_COUNT,
};

enum record_image_flag {
	RECORD_IMAGE_SETUID = 1u << 0, /* the file's setuid bit changed the effective uid */
	RECORD_IMAGE_SETGID = 1u << 1,
	RECORD_IMAGE_SECURE = 1u << 2,	/* AT_SECURE */
	RECORD_IMAGE_MEMFD = 1u << 3,	/* the file lives in memory only (memfd_create) */
	RECORD_IMAGE_DELETED = 1u << 4, /* no name leads to the file any more */
	/*
	 * exe and cwd are components from the leaf to the root, each ended by NUL
	 * ("ls\0bin\0usr\0"), as a walk up the tree finds them; an empty string with the bit set is
	 * "/".
	 */
	RECORD_IMAGE_EXE_REVERSED = 1u << 5,
	RECORD_IMAGE_CWD_REVERSED = 1u << 6,
	RECORD_IMAGE_UNREACHABLE_CWD = 1u << 7, /* cwd is not below the process's root */
};

/* Why a string is not whole: 4 bits a string in record_image.missing, by enum record_string. */
enum record_missing {
	RECORD_WHOLE = 0,
	RECORD_MISSING_UNREADABLE = 1, /* the memory could not be read (paged out) */
	RECORD_MISSING_TRUNCATED = 2,  /* longer than the observer can take or was told to take */
	RECORD_MISSING_NO_ROOM = 3,    /* the ring was full */
	RECORD_MISSING_NOT_TAKEN = 4,  /* this observer does not tell it at all */
	RECORD_MISSING_TOO_LATE = 5,   /* the process was gone when it was asked */
};
#define RECORD_MISSING_SHIFT(string) ((string)*4)

struct record_image {
	uint32_t
	    string_length[RECORD_STRING_COUNT]; /* bytes, in this record (chunks come on top) */
	uint32_t missing;			/* RECORD_MISSING_SHIFT */
	uint32_t flags;				/* enum record_image_flag */
	uint64_t exe_device;			/* as stat's st_dev; 0: not told */
	uint64_t exe_inode;
	uint32_t mount_namespace; /* inode numbers of /proc/PID/ns; 0: not told */
	uint32_t pid_namespace;
	uint32_t user_namespace;
	uint32_t network_namespace;
	uint32_t uts_namespace;
	uint32_t ipc_namespace;
	uint32_t cgroup_namespace;
	uint32_t time_namespace;
	uint32_t thread_pid; /* the thread that called exec, if not the leader; else the pid */
	uint32_t reserved;   /* 0 */
	uint64_t argv_size;  /* bytes of the whole vector in the process's memory */
};

/*
 * A piece of one of the strings of the record with the same cpu and number. Chunks of a string come
 * in order of offset, before the record; the string is the chunks' bytes, then the record's own.
 */
struct record_chunk {
	uint32_t string; /* enum record_string */
	uint32_t length; /* bytes that are valid here; record.size may be larger */
	uint64_t offset; /* of the first byte within the string */
};

/* A control group of the unified hierarchy, as the kernel's root of it sees it. */
struct record_cgroup {
	uint64_t id;	   /* as in record_body.cgroup */
	uint32_t length;   /* bytes of the path that follow; record.size may be larger */
	uint32_t reserved; /* 0 */
};

#define RECORD_CGROUP_PATH 1024u /* most bytes of it, a NUL included (TRACE_CGROUP_PATH_LEN) */

enum record_gap_stage {
	RECORD_GAP_KERNEL = 1,	/* the kernel's buffer (or socket) was full */
	RECORD_GAP_SKIPPED = 2, /* the kernel did not run the program: recursion */
	RECORD_GAP_QUEUE = 3,	/* the queue was full and was not allowed to spill */
	RECORD_GAP_SPILL = 4,	/* the disk was full or failed */
	RECORD_GAP_MONITOR = 5, /* out of memory, or a record that does not decode */
	RECORD_GAP_SOURCE = 6,	/* the system did not tell: noticed by a count or a state */
};

struct record_gap {
	uint64_t lost[RECORD_LOST_KINDS]; /* by RECORD_LOST_INDEX */
	uint64_t unknown;		  /* of a kind that cannot be told */
	uint64_t from_ns;		  /* boot clock; 0: not known */
	uint64_t to_ns;
	uint32_t stage;	 /* enum record_gap_stage */
	uint32_t detail; /* an errno that tells why, or 0 */
};

#define RECORD_CHUNK_DATA 32768u /* most bytes of string in one chunk */

/* What a reader accepts: the largest record with all its inline strings. One of RECORD_EXISTING,
 * which has no chunks, may be larger: argv and env whole. */
#define RECORD_SIZE_MAX		 65536u
#define RECORD_EXISTING_SIZE_MAX (16u << 20)

#define RECORD_SMALL_EXEC_SIZE                                                                     \
	(sizeof(struct record_header) + sizeof(struct record_body) + sizeof(struct record_image))

_Static_assert(sizeof(struct record_header) == 48, "the version must be updated");
_Static_assert(sizeof(struct record_identity) == 16, "the version must be updated");
_Static_assert(sizeof(struct record_credentials) == 24, "the version must be updated");
_Static_assert(sizeof(struct record_body) == 104, "the version must be updated");
_Static_assert(sizeof(struct record_start) == 24, "the version must be updated");
_Static_assert(sizeof(struct record_exit) == 48, "the version must be updated");
_Static_assert(sizeof(struct record_attempt) == 8, "the version must be updated");
_Static_assert(sizeof(struct record_image) == 104, "the version must be updated");
_Static_assert(sizeof(struct record_chunk) == 16, "the version must be updated");
_Static_assert(sizeof(struct record_gap) == 64, "the version must be updated");
_Static_assert(sizeof(struct record_cgroup) == 16, "the version must be updated");

#endif
