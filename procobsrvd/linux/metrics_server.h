/* SPDX-License-Identifier: MIT */
/*
 * Answers HTTP on this machine: GET /metrics and GET /health, and nothing else. One thread; few
 * connections at a time, each silent for a few seconds at most, and less while others come.
 */
#ifndef PROCOBSRVD_METRICS_SERVER_H
#define PROCOBSRVD_METRICS_SERVER_H

#include "buffer.h"
#include "configuration.h"

#include <stdbool.h>

/* What is answered. Called on the server's thread. */
struct metrics_server_pages {
	void (*metrics)(struct buffer *out, void *param);
	bool (*health)(struct buffer *out, void *param); /* true: 200, false: 503 */
	void *param;
};

struct metrics_server;

/*
 * Listens where `where` says, and answers from then on. A Unix socket is for root and the members
 * of `group` (NULL: of the service's own group); if it is removed, it is made again. ARGUMENT: not
 * an address of this machine alone. Else SYSTEM, BUSY, ..., with error_set().
 */
int metrics_server_open(const struct configuration_metrics *where, const char *group,
			const struct metrics_server_pages *pages, struct metrics_server **server);

/* Whether it listens just there already. */
bool metrics_server_is_at(const struct metrics_server *server,
			  const struct configuration_metrics *where, const char *group);

/* No page is asked for any more when it returns. */
void metrics_server_close(struct metrics_server *server);

#endif
