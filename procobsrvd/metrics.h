/* SPDX-License-Identifier: MIT */
/*
 * What the service tells of itself: figures in Prometheus' text format (0.0.4), and its health.
 * Pure functions from figures to text; metrics_server.h serves them.
 */
#ifndef PROCOBSRVD_METRICS_H
#define PROCOBSRVD_METRICS_H

#include "buffer.h"
#include "service.h"

/* What the socket of the readers tells. */
struct metrics_readers {
	uint64_t connected;
	uint64_t accepted;	/* since the service began */
	uint64_t refused;	/* without rights, malformed, or too many */
	uint64_t sent;		/* events, to all readers together */
	uint64_t lost;		/* events that readers were too slow for */
	uint64_t waiting_bytes; /* for all readers together */
};

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
	struct metrics_readers readers;
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
