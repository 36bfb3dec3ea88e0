/* SPDX-License-Identifier: MIT */
/*
 * What a sink supplies: a place that events go to, one file (or a few) a sink. The service runs
 * each on a thread of its own behind a queue of its own (procobsrvd/sink_runner.h), so that one
 * that is slow or fails stands in nobody's way.
 *
 * Threads: every function of one sink is called on that thread, but statistics(), which may be
 * called from any.
 */
#ifndef PROCOBSRV_SINKS_SINK_H
#define PROCOBSRV_SINKS_SINK_H

#include "procobsrv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a setting of the configuration takes, and how `struct setting_value` then holds it. */
enum setting_type {
	SETTING_TEXT,	  /* text */
	SETTING_PATH,	  /* text: an absolute path */
	SETTING_FLAG,	  /* number: 0 or 1; written as true, false */
	SETTING_COUNT,	  /* number */
	SETTING_SIZE,	  /* number: bytes; written with K, M, G, T (powers of 1024) or nothing */
	SETTING_DURATION, /* number: nanoseconds; written with ms, s, m, h, d */
	SETTING_RATE,	  /* number: nanoseconds between two; written as 10/s, 5/m, 100/h */
	SETTING_LIST,	  /* list: texts, at least one */
};

struct setting {
	const char *name; /* as in the configuration: "max-size" */
	enum setting_type type;
	bool required;
	const char
	    *initial;	/* taken if it is not set, written as in the configuration; NULL: none */
	uint64_t least; /* of number */
	uint64_t most;	/* of number; 0: no bound */
};

struct setting_value {
	bool set; /* in the configuration, or by its initial value */
	const char *text;
	uint64_t number;
	const char *const *list; /* ended by NULL */
	size_t count;		 /* of list */
	unsigned line;		 /* in the configuration, from 1; 0: the initial value */
	unsigned column;
};

/* Counters and levels of a sink itself; those of its queue are the runner's. */
struct sink_statistics {
	uint64_t written;    /* events that are kept, or sent */
	uint64_t bytes_used; /* on disk now; 0: it has no files */
	uint64_t bytes_held; /* of these what another program keeps from being given back */
	uint64_t failures;   /* of write() */
	uint64_t suppressed; /* what its own rules left out, e.g. a rate */
	int64_t oldest_ns;   /* wall clock: the oldest event that is kept; 0: not known */
};

struct sink; /* each sink's own */

struct sink_operations {
	const char *name; /* of its section in the configuration: "record" */

	const struct setting *settings; /* ended by one without a name */

	/*
	 * Whether events that write() took are safe from then on. The kernel's observer keeps what
	 * a durable sink has not taken, for the next run of the service.
	 */
	bool durable;

	/*
	 * With durable: while it fails and its queue is full, it loses (counted, and told in its
	 * place) rather than be told again what passed it by, which must be kept for it, and where
	 * that is not possible hold back whoever hands events on, and with him all other sinks.
	 */
	bool yields;

	/* Mask of the kinds that it is given where the configuration does not name any; 0: all. */
	uint32_t kinds;

	/*
	 * Whether values that are set make sense by themselves, whatever the machine is like: else
	 * an error ARGUMENT with error_set(), and *wrong is the index of the setting. May be NULL.
	 * Any thread.
	 */
	int (*check)(const struct setting_value *values, size_t *wrong);

	/*
	 * Opens it. values are in the order of `settings` and valid until close. The filters that
	 * all sinks have (match, kinds) are the runner's. On failure: a PROCOBSRV_ERROR_ code with
	 * error_set() called (lib/error.h), and nothing left behind; the service then tries again
	 * later, keeping events in the queue meanwhile.
	 */
	int (*open)(const struct setting_value *values, struct sink **sink);

	/*
	 * Takes the next events, in order: all of them (0) or none (an error as above; the same
	 * events come again, after a pause). An event that it has taken in an earlier run may come
	 * again, with the same cursor: a sink that can, leaves it out. The events are the caller's.
	 */
	int (*write)(struct sink *sink, const struct procobsrv_event *const *events, size_t count);

	/*
	 * Shown each event before write() comes to it, in order, whether match and kinds let it
	 * through to write() or not: for a sink that must know the whole story to judge a part of
	 * it. The runner then filters behind its queue, not before. May be NULL.
	 */
	void (*see)(struct sink *sink, const struct procobsrv_event *event);

	/* Called about once a second, also while events flow: rotation, retention. May be NULL. */
	int (*tend)(struct sink *sink);

	/* SIGHUP: opens its files anew. May be NULL. */
	int (*reopen)(struct sink *sink);

	void (*statistics)(struct sink *sink, struct sink_statistics *statistics);

	/* Writes what it still holds, gives everything back. */
	void (*close)(struct sink *sink);
};

extern const struct sink_operations sink_record;     /* SQLite */
extern const struct sink_operations sink_json_lines; /* files of JSON lines, rotated */
extern const struct sink_operations sink_journal;    /* the systemd journal */
extern const struct sink_operations sink_command;    /* runs a program for each event */

#endif
