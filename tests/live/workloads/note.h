/* SPDX-License-Identifier: MIT */
/*
 * What a workload writes down about itself, in memory that it shares with the test: the truth that
 * the observed events are held against.
 */
#ifndef PROCOBSRV_TESTS_LIVE_NOTE_H
#define PROCOBSRV_TESTS_LIVE_NOTE_H

#include <stdatomic.h>
#include <stdint.h>

/* The descriptor under which every workload finds its note. */
#define NOTE_DESCRIPTOR 3

#define NOTE_ENTRIES_MAX 65536u
#define NOTE_NAMESPACES	 8

/* What became of one process or thread that the workload made, or of one attempt. */
struct note_entry {
	uint32_t pid;	  /* of a process, or the id of a thread */
	uint32_t parent;  /* its parent's pid */
	int32_t status;	  /* as wait() told it; of an attempt: the errno */
	uint32_t value;	  /* the workload's own meaning */
	uint64_t from_ns; /* boot clock: before it was made */
	uint64_t made_ns; /* after it was made */
	uint64_t to_ns;	  /* before it ended */
};

/* What a program knows of itself (the verb "facts"). */
struct note_facts {
	uint32_t valid; /* 1: filled */
	uint32_t proc;	/* 1: what /proc tells is filled too */
	uint32_t pid;	/* in its own pid namespace */
	uint32_t parent;
	uint32_t uid;
	uint32_t gid;
	uint32_t euid;
	uint32_t egid;
	uint32_t session_leader;
	uint32_t loginuid;
	uint32_t audit_session;
	uint32_t argc;
	uint64_t exe_device;
	uint64_t exe_inode;
	uint32_t namespaces[NOTE_NAMESPACES]; /* in the order of note_namespace_names */
	char tty[64];			      /* "" if none */
	char cwd[8192];
	char exe[4096];
};

struct note {
	_Atomic uint32_t count;	     /* of entries */
	_Atomic uint32_t stage;	     /* how far the workload is */
	_Atomic uint32_t permission; /* how far it may go */
	uint32_t reserved;
	struct note_facts facts;
	struct note_entry entries[NOTE_ENTRIES_MAX];
};

static const char *const note_namespace_names[NOTE_NAMESPACES] = {
    "mnt", "pid", "user", "net", "uts", "ipc", "cgroup", "time",
};

#endif
