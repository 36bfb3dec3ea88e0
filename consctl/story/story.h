/* SPDX-License-Identifier: MIT */
/*
 * The story of processes: who started whom, what each ran, how long, and how it ended. It is told
 * by events as they come, or by the JSON lines of an earlier run; both tell the same.
 */
#ifndef PROCOBSRV_CONSCTL_STORY_H
#define PROCOBSRV_CONSCTL_STORY_H

#include "buffer.h"
#include "procobsrv.h"
#include "strings.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORY_NONE SIZE_MAX

struct redaction;

/* A program that a process ran. The texts belong to the story; NULL: not known. */
struct story_program {
	int64_t time_ns; /* since when; that of its process if it was there from the start */
	const char *name;
	const char *exe;
	const char *command; /* its arguments as a shell would need them, fit for a terminal */
	const char *cwd;
};

struct story_process {
	const char *id;
	size_t parent; /* who created it: an index into the story's processes, or STORY_NONE */
	uint32_t pid;
	uint32_t uid;
	bool has_uid;
	bool existed;	 /* ran already when the story began */
	bool has_status; /* code, signal and core_dumped are known */
	bool core_dumped;
	bool has_usage; /* cpu_ns and max_rss_bytes are known */
	uint32_t code;
	uint32_t signal;
	uint32_t failed_execs;
	int64_t start_ns; /* wall clock */
	int64_t end_ns;	  /* 0: it still ran when the story ended */
	uint64_t cpu_ns;
	uint64_t max_rss_bytes;
	struct story_program *programs; /* in their order, one at least */
	size_t program_count;
};

struct story {
	struct story_process *processes; /* in the order in which they were told */
	size_t count;
	size_t capacity;
	size_t *slots; /* by id: an index into processes, or STORY_NONE */
	size_t slot_count;
	struct strings strings;
	struct buffer scratch;
	struct redaction *redaction; /* NULL: none */
	int64_t begin_ns;	     /* of the earliest process or line */
	int64_t end_ns;		     /* of the last event */
	uint64_t lost;
	uint64_t foreign; /* lines that were none of ours */
	bool ended;	  /* an end line came */
	bool newer;	  /* a schema that this version does not know */
	bool failed;	  /* out of memory: the story is not whole */
};

/* What an event tells, in one form for both ways. Texts are borrowed; NULL: not told. */
struct story_news {
	enum procobsrv_kind kind;
	int64_t time_ns;
	const char *id;
	const char *parent_id;
	uint32_t pid;
	uint32_t uid;
	bool has_uid;
	int64_t start_ns; /* 0: not known */
	struct story_program program;
	bool has_status;
	bool core_dumped;
	bool has_usage;
	uint32_t code;
	uint32_t signal;
	uint64_t cpu_ns;
	uint64_t max_rss_bytes;
	uint64_t lost;
};

void story_open(struct story *story);
void story_close(struct story *story);

/* From now on takes secrets out of arguments, as --redact does. `names`: as redaction_create() has
 * them, NULL: none. Once a story. */
void story_redact(struct story *story, const char *const *names);

/* Tells on. Running out of memory sets story->failed. One thread at a time. */
void story_add(struct story *story, const struct story_news *news);
void story_add_event(struct story *story, const struct procobsrv_event *event);
/* A JSON line without its end; what is none of ours is counted in story->foreign. */
void story_add_line(struct story *story, const char *line, size_t size);

/* The last program that it ran: what it is known by. */
const struct story_program *story_program(const struct story_process *process);
/* When it ended, or the story did. */
int64_t story_process_end(const struct story *story, const struct story_process *process);
/* From its start until then. */
uint64_t story_process_ns(const struct story *story, const struct story_process *process);
/* Whether it ended by a signal or with another code than 0. */
bool story_process_failed(const struct story_process *process);

/* The process from which most of the others descend, the first of several; STORY_NONE: no process.
 */
size_t story_root(const struct story *story);

/*
 * Lanes for a picture: each process gets one below its creator's, in which no other runs at the
 * same time. lanes[] has room for story->count; returns how many lanes there are. 0 for no process,
 * or out of memory.
 */
size_t story_lanes(const struct story *story, size_t *lanes);

/* A part of the critical path: from `from_ns` to `to_ns` the end of the root waited for this one.
 */
struct story_step {
	size_t process;
	int64_t from_ns;
	int64_t to_ns;
};
/*
 * The critical path of the root: back from its end, always along the child that ended last. In the
 * order of time; owned by the caller. NULL: no process, or out of memory.
 */
struct story_step *story_critical_path(const struct story *story, size_t *count);

/* Time by program: a row for each name. */
struct story_total {
	const char *name;
	size_t runs;   /* processes that ran it */
	size_t failed; /* of those whose last program it was */
	uint64_t
	    wall_ns; /* from exec to the next exec, or the end; sums of what ran side by side */
	uint64_t longest_ns;
	uint64_t cpu_ns; /* of the processes whose last program it was */
};
struct story_figures {
	size_t processes; /* without those that existed before */
	size_t failed;	  /* another code than 0 */
	size_t killed;	  /* by a signal */
	size_t running;	  /* still, at the end */
	uint64_t failed_execs;
	size_t peak; /* at once */
	uint64_t wall_ns;
	uint64_t cpu_ns;
	uint64_t max_rss_bytes; /* the most of one process */
	size_t max_rss_process;
	struct story_total *totals; /* the longest wall time first */
	size_t total_count;
	size_t *slowest; /* indexes of the processes that took longest, the slowest first */
	size_t slowest_count;
};
#define STORY_SLOWEST 10
/* False: out of memory. */
bool story_figures(const struct story *story, struct story_figures *figures);
void story_figures_free(struct story_figures *figures);

/* Appends the summary as text for people. */
void story_append_summary(const struct story *story, struct buffer *buffer, unsigned columns);

/* Appends how a process ended: "exit 0", "signal 9", or "ended" if that is not known. */
void story_append_ending(struct buffer *buffer, bool has_status, uint32_t signal, uint32_t code);

/* Appends "1.234 s", "56.7 ms", "12 min 03 s". */
void story_append_duration(struct buffer *buffer, uint64_t duration_ns);

#endif
