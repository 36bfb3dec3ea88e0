/* SPDX-License-Identifier: MIT */
/*
 * The ground truth of a storm: which processes it made, written down by who made them, for tests to
 * hold against what was observed.
 *
 * Layout of a truth file, without padding, little-endian:
 *
 *	struct truth_header
 *	struct truth_worker		header.worker_count times
 *	struct truth_child		header.child_count times: the first worker's in the order
 *					in which it made them, then the second's, ...
 *
 * A pid is reused many times in a long storm. Two children of one pid never overlap, and forked_ns
 * is taken before a child is waited for: so sorting the children of one pid by forked_ns gives the
 * order in which they lived.
 *
 * A child that execs runs storm_child with these arguments:
 *
 *	argv[0]		"storm_child", or the name of the program that --child names
 *	argv[1]		its tag, 16 lower-case hexadecimal digits
 *	argv[2]		how it ends: "0" to "255", the exit code; "s15", the signal; or "p": it is
 *			held until it is killed, see `storm --hold`
 *	argv[3]...	padding, see truth_padding_count(); none if header.args_size is 0
 */
#ifndef PROCOBSRV_BENCH_TRUTH_H
#define PROCOBSRV_BENCH_TRUTH_H

#include <stddef.h>
#include <stdint.h>

#define TRUTH_MAGIC   0x6874757274736f70u /* "postruth" */
#define TRUTH_VERSION 1
#define TRUTH_NAME    "storm_child"

enum truth_mode {
	TRUTH_FORK = 1,	      /* fork, no exec: the events are start and exit */
	TRUTH_VFORK_EXEC = 2, /* start, exec, exit */
	TRUTH_SPAWN = 3,      /* posix_spawn: start, exec, exit */
	TRUTH_THREADS = 4,    /* threads only: nothing may be reported */
	TRUTH_MIXED = 5,      /* in turn all of the above */
};

struct truth_header {
	uint64_t magic;
	uint32_t version;
	uint32_t mode;	    /* enum truth_mode */
	uint32_t storm_pid; /* parent of the workers */
	uint32_t worker_count;
	uint64_t child_count;
	uint64_t thread_count; /* threads that were made and joined: none of them a process */
	uint64_t args_size;    /* bytes of padding in the arguments, each one's NUL included */
	uint64_t begin_ns;     /* boot clock, before the first child */
	uint64_t end_ns;       /* boot clock, after the last one was waited for */
};

struct truth_worker {
	uint32_t pid;
	uint32_t reserved; /* 0 */
	uint64_t child_count;
	uint64_t thread_count;
};

struct truth_child {
	uint64_t tag;	    /* unique in this storm; differs between storms, most likely */
	uint64_t forked_ns; /* boot clock, after the fork returned and before the wait */
	uint32_t pid;
	uint32_t ppid; /* its worker's */
	uint8_t code;  /* as passed to exit; 0 if a signal ended it */
	uint8_t signal;
	uint8_t mode; /* enum truth_mode: how it was made; TRUTH_FORK did not exec */
	uint8_t reserved[5];
};

_Static_assert(sizeof(struct truth_header) == 64, "the version must be updated");
_Static_assert(sizeof(struct truth_worker) == 24, "the version must be updated");
_Static_assert(sizeof(struct truth_child) == 32, "the version must be updated");

/* A truth file in memory. */
struct truth {
	const struct truth_header *header;
	const struct truth_worker *workers;
	const struct truth_child *children;
	size_t size; /* bytes of the whole */
};

/* Maps a truth file. 0, or -1 with a line on standard error. */
int truth_open(const char *path, struct truth *truth);
void truth_close(struct truth *truth);

/* How many padding arguments `args_size` makes, and the length of the one at `index`, without NUL.
 * Every byte of padding is 'x'. */
size_t truth_padding_count(uint64_t args_size);
size_t truth_padding_length(uint64_t args_size, size_t index);

#endif
