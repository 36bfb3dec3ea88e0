/* SPDX-License-Identifier: MIT */
/*
 * The configuration: a file of YAML (docs/man/procobsrvd.conf.5), or a key of Windows' registry,
 * read whole and taken only if all of it is right. Everything in it is owned by the configuration
 * and never changes: who needs a part for longer takes a reference.
 */
#ifndef PROCOBSRVD_CONFIGURATION_H
#define PROCOBSRVD_CONFIGURATION_H

#include "sink.h"

/* `observer:` what is observed, and what it may cost. */
struct configuration_observer {
	uint32_t kinds; /* mask of PROCOBSRV_KIND_BIT: taken at all; never 0 */
	bool kernel_threads;
	uint64_t buffer_size;	     /* bytes of the kernel's ring; 0: by the machine's memory */
	uint64_t max_args;	     /* bytes of argv; 0: all */
	const char *const *env;	     /* names, ended by NULL; NULL: none */
	const char *const *redact;   /* names, ended by NULL; NULL: none */
	const char *match;	     /* expression that compiles; NULL: everything */
	const char *spill_directory; /* NULL: the library's own for the resident observer */
	uint64_t spill_size;	     /* bytes, at most */
	uint64_t queue_size;	     /* bytes of memory before it spills */
	uint64_t behind_size; /* bytes kept for a durable sink that fails; 0: it holds back */
};

/* One sink: `record:`, `json-lines:`, `journal:`, `on:`, each a mapping or a list of mappings. */
struct configuration_sink {
	const struct sink_operations *operations;
	const char *name;   /* for log and metrics, unique: "record", "on", "on-2", or its own */
	const char *match;  /* expression that compiles; NULL: everything */
	uint32_t kinds;	    /* mask of PROCOBSRV_KIND_BIT; never 0 */
	size_t queue_count; /* events that may wait for it; never 0 */
	const struct setting_value *values; /* in the order of operations->settings */
};

/* `readers:` the socket for programs that read events; absent: no socket. */
struct configuration_readers {
	bool enabled;
	const char *socket;   /* absolute path */
	const char *group;    /* besides root, its members see everything; NULL: nobody */
	bool own_processes;   /* everybody else may see his own processes; false: is refused */
	uint64_t memory_size; /* bytes that may wait for all readers together */
	uint32_t count;	      /* readers at a time, at most */
};

/* `metrics:` HTTP for Prometheus; absent: none. */
struct configuration_metrics {
	bool enabled;
	const char *socket;  /* absolute path of a Unix socket; NULL: TCP, see below */
	const char *address; /* "127.0.0.1" or "::1": never beyond this machine */
	uint16_t port;
};

struct configuration {
	const char *file; /* or whatever it was read from */
	struct configuration_observer observer;
	const struct configuration_sink *sinks;
	size_t sink_count;
	struct configuration_readers readers;
	struct configuration_metrics metrics;
};

/* Is told each mistake, in the order of the file: at a line and column from 1 (in the registry: the
 * number of the value, and 1), what is wrong and
 * what it must be, without a line end. */
typedef void (*configuration_complain)(unsigned line, unsigned column, const char *text,
				       void *param);

/*
 * Reads where each system has the configuration: a file of YAML at that path; a key of the registry
 * of that name. `sinks`, ended by NULL, are the sections that there may be. On success
 * *configuration has one reference, the caller's. ARGUMENT: it is wrong, and `complain` was called
 * at least once. MEMORY, and what keeps it from being read, with error_set().
 */
int configuration_read(const char *place, const struct sink_operations *const *sinks,
		       configuration_complain complain, void *param,
		       const struct configuration **configuration);

/* Any thread. NULL is allowed. */
const struct configuration *configuration_ref(const struct configuration *configuration);
void configuration_unref(const struct configuration *configuration);

/* Whether two of one section say the same; names are not compared. */
bool configuration_sink_equal(const struct configuration_sink *one,
			      const struct configuration_sink *other);

#endif
