/* SPDX-License-Identifier: MIT */
/*
 * What the service tells of itself: figures in Prometheus' text format (0.0.4), and its health.
 * Pure functions from figures to text; metrics_server.h serves them.
 */
#ifndef PROCOBSRVD_METRICS_H
#define PROCOBSRVD_METRICS_H

#include "buffer.h"
#include "server.h"
#include "service.h"

/* All figures at one moment. */
struct metrics {
	const char *version;
	const char *backend;	 /* "" as long as nothing observes */
	bool alive;		 /* events are on their way */
	uint64_t cpu_ns;	 /* of the service's process */
	uint64_t resident_bytes; /* of the service's process */
	struct procobsrv_statistics observer;
	struct service_statistics service;
	bool has_readers;
	struct server_figures readers; /* has_readers: there is a socket for them */
	const struct sink_runner_statistics *sinks;
	size_t sink_count;
};

/* Fills cpu_ns and resident_bytes with those of this process. */
void metrics_measure_process(struct metrics *metrics);

/* Appends every metric with its HELP and TYPE. */
void metrics_write(const struct metrics *metrics, struct buffer *out);

/*
 * Appends "ok", or a line for each trouble: "sink record: database is locked". Returns whether all
 * is well.
 */
bool metrics_write_health(const struct metrics *metrics, struct buffer *out);

#endif
