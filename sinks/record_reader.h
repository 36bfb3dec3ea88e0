/* SPDX-License-Identifier: MIT */
/*
 * Reads the record of the service (record.sql): which programs ran, and the events of a process as
 * the library would have told them. It never writes, and may read while the service does.
 *
 * Functions return 0 or a negative PROCOBSRV_ERROR_ code with error_set() called; outputs are
 * untouched on failure. One thread at a time for one reader.
 */
#ifndef PROCOBSRV_SINKS_RECORD_READER_H
#define PROCOBSRV_SINKS_RECORD_READER_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the service keeps it unless its configuration says otherwise. */
#define RECORD_PATH "/var/lib/procobsrv/record.sqlite"

struct record_reader;
struct sqlite3;

/*
 * Errors: NOT_FOUND (no such file), PERMISSION, CORRUPT (no record, or damaged), VERSION (a schema
 * newer than this reader), BUSY, SYSTEM, MEMORY.
 */
int record_reader_open(const char *path, struct record_reader **opened);
void record_reader_close(struct record_reader *reader); /* NULL is allowed */

/* For tests, which look at how its statements are answered. Borrowed. */
struct sqlite3 *record_reader_database(const struct record_reader *reader);

/*
 * Between these the record is seen in one state, whatever is written meanwhile. The service cannot
 * shorten its log then: so not while somebody reads what was written to a terminal or a pipe.
 */
int record_reader_begin(struct record_reader *reader);
void record_reader_end(struct record_reader *reader);

/* Bounds of time: from since_ns on, before until_ns. */
struct record_interval {
	int64_t since_ns; /* INT64_MIN: from the beginning */
	int64_t until_ns; /* INT64_MAX: to the end */
};

/*
 * Which runs are asked for: all that is set must be so. A run is a program that a process ran, from
 * its exec to the next one or to its end; and, if `forks` is set, a process that ran none.
 */
struct record_query {
	struct record_interval interval; /* in which the run began; `failed`: its process ended */
	const char *name;		 /* of the process (Linux: comm), whole; NULL: any */
	const char *exe;		 /* path of the program; NULL: any */
	bool has_uid;
	uint32_t uid;
	bool failed; /* its process ended by a signal or with another code than 0 */
	bool forks;
	bool running; /* also those that began before the interval and still ran when it did */
	bool newest_first;
	/* Only of these processes; NULL: of any. Borrowed. */
	const int64_t *processes;
	size_t process_count;
};

struct record_run {
	int64_t time_ns; /* what the runs are ordered by: its begin; `failed`: its end */
	int64_t process; /* rows of the record */
	int64_t exec;	 /* 0: a process that ran no program of its own */
};

struct record_search;

/* The query is borrowed until the search is closed. */
int record_search_open(struct record_reader *reader, const struct record_query *query,
		       struct record_search **opened);
/* The next runs, in order: at most `room`. *count 0: there are no more. */
int record_search_next(struct record_search *search, struct record_run *runs, size_t room,
		       size_t *count);
void record_search_close(struct record_search *search); /* NULL is allowed */

/* Rows of processes; owned by who asked, freed with record_list_free(). */
struct record_list {
	int64_t *rows;
	size_t count;
	size_t capacity;
};
void record_list_free(struct record_list *processes);
/* Adds one. MEMORY. */
int record_list_add(struct record_list *processes, int64_t row);

/* All that bore the pid and began before `until_ns`, the oldest first. */
int record_find_pid(struct record_reader *reader, uint32_t pid, int64_t until_ns,
		    struct record_list *processes);
/* The one whose id this is. NOT_FOUND. */
int record_find_identity(struct record_reader *reader, const char *identity, int64_t *process);
/* The process itself, then all that descend from it. */
int record_find_tree(struct record_reader *reader, int64_t process, struct record_list *processes);
/* Its children that ended before `before_ns`: the last `most` of them, the newest first. */
int record_find_children(struct record_reader *reader, int64_t process, int64_t before_ns,
			 size_t most, struct record_list *processes);
/* Its oldest ancestor that is known first, the process itself last. */
int record_find_ancestors(struct record_reader *reader, int64_t process,
			  struct record_list *processes);

/* Whom its ppid named when it started; 0: not known. */
int record_parent(struct record_reader *reader, int64_t process, int64_t *parent);

/* A process, and when it began as far as is known: no event of its life is earlier. */
struct record_start {
	int64_t start_ns;
	int64_t process;
};
/* Of these rows, each once, in the order of their begin; *loaded is the caller's to free(). */
int record_starts_load(struct record_reader *reader, const int64_t *rows, size_t row_count,
		       struct record_start **loaded, size_t *loaded_count);

/* The life of a process: what the record can tell of it, as events in their order. */
struct record_life {
	int64_t process;
	int64_t parent;	  /* its row; 0: not known */
	int64_t start_ns; /* 0: not known */
	/* What is known of it at last, also where no event tells of it. */
	const struct procobsrv_process *last;
	const struct procobsrv_event *const *events;
	/* Of each event: the row of the exec that it tells of; 0: it is no exec. */
	const int64_t *execs;
	size_t count;
};

/*
 * Loads a life, owned by the caller. Its events have no number (seq) and are not counted: they
 * live as long as the life, and never take a reference. NOT_FOUND: retention has removed it.
 */
int record_life_load(struct record_reader *reader, int64_t process, struct record_life **loaded);
void record_life_free(struct record_life *life); /* NULL is allowed */

/* How many events were lost in the interval. */
int record_lost_count(struct record_reader *reader, const struct record_interval *interval,
		      uint64_t *count);
/* The gaps, in their order, as events; freed with record_losses_free(). */
struct record_losses {
	struct procobsrv_event *events;
	size_t count;
	void *details; /* what they point to */
};
int record_losses_load(struct record_reader *reader, const struct record_interval *interval,
		       struct record_losses *loaded);
void record_losses_free(struct record_losses *losses);

/* Of the machine that wrote last; "" if the record tells of none. */
int record_origin(struct record_reader *reader, char *host, size_t host_size, char *boot,
		  size_t boot_size);
/* When the oldest program that it tells of began; INT64_MAX: none. */
int record_oldest(struct record_reader *reader, int64_t *time_ns);

#endif
