/* SPDX-License-Identifier: MIT */
/*
 * What /proc tells of one process, in the form of observer/record.h, for sources that have no
 * kernel program of their own. A process is read through a descriptor of its directory, which
 * never leads to another process that got the same pid later. Calls no malloc.
 */
#ifndef PROCOBSRV_LIB_LINUX_PROC_PROCESS_H
#define PROCOBSRV_LIB_LINUX_PROC_PROCESS_H

#include "arena.h"
#include "record.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start times in /proc are cut to this: the kernel's USER_HZ is 100 wherever Linux runs. */
#define PROC_TICK_NS 10000000ull

/* The beginnings of /proc/PID/stat and /proc/PID/status. */
struct proc_process {
	struct record_body body; /* all but the parent's start; credentials after a status */
	char state;		 /* 'R', 'S', 'Z', ... */
	bool not_execed;	 /* has run no exec since its fork */
	uint32_t thread_group;	 /* pid of the process, where a thread's directory was read */
	uint32_t tracer;	 /* pid, or 0; after a status */
	uint32_t threads;
	uint32_t exit_status; /* as wait() has it; 0 for who may not trace the process */
	uint64_t user_ns;
	uint64_t system_ns;
	uint64_t max_rss_bytes; /* 0: has no memory any more; after a status */
	uint64_t layout;	/* differs after each exec; 0: not told to who may not trace it */
};

/* A descriptor of /proc/PID (also of a thread), or -1 with errno: ENOENT if there is none. */
int proc_process_open(uint32_t pid);

/* Each reads one file. False: the process is gone, or its status cannot be read. */
bool proc_process_read_stat(int directory, struct proc_process *process);
bool proc_process_read_status(int directory, struct proc_process *process);
/* Login uid and audit session into body.credentials; unknown where the kernel has no audit. */
void proc_process_read_audit(int directory, struct proc_process *process);
/* All of the above. */
bool proc_process_read(int directory, struct proc_process *process);

/* The first of them by pid alone, which costs least. */
bool proc_process_read_stat_of(uint32_t pid, struct proc_process *process);
/* Is the thread whose directory was read a zombie, or less? */
bool proc_process_is_dead(const struct proc_process *process);

/* Who has this pid now, its start as /proc has it; all zero: nobody. */
struct record_identity proc_process_identity(uint32_t pid);

/* CPU time of one thread as the scheduler accounts it; 0: not told. `directory` is the thread's. */
uint64_t proc_process_cpu_ns(int directory);

/* What wait() tells, taken apart. */
void proc_process_decode_status(uint32_t status, struct record_exit *exit);

struct proc_image_options {
	bool env;
	uint64_t max_args; /* bytes of argv, and of env */
	bool invocation;   /* look into the process's memory for what exec was called with */
};

/* The image and its strings, which point into this struct: it must not move. */
struct proc_image {
	struct record_image image;
	struct record_bytes strings[RECORD_STRING_COUNT];
	struct arena argv;
	struct arena env;
	char exe[PATH_MAX];
	char cwd[PATH_MAX];
	char filename[PATH_MAX];
	char interpreter[256];
	uint32_t exe_mode; /* of the program's file, as st_mode; 0: not known */
	uint32_t exe_uid;
	uint32_t exe_gid;
};

/* Fills the image; what cannot be read is named as missing, with the reason. */
void proc_image_read(int directory, const struct proc_image_options *options,
		     struct proc_image *image);
/* Marks setuid and setgid programs: what the process's ids became by the file's bits. */
void proc_image_mark_privileges(struct proc_image *image,
				const struct record_credentials *credentials);
/* An image that says of each string that it came too late. */
void proc_image_too_late(struct proc_image *image, bool env);
void proc_image_free(struct proc_image *image);

/* Calls visit for each pid in /proc; false: /proc cannot be read (errno). */
bool proc_walk(void (*visit)(uint32_t pid, void *param), void *param);
/* The same for the threads of a process. */
bool proc_walk_threads(uint32_t pid, void (*visit)(uint32_t pid, void *param), void *param);

/* Reads a small file of a directory into text, ended by NUL; its length, or -1 with errno. */
long proc_read_text(int directory, const char *name, char *text, size_t size);

#endif
