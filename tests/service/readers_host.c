/* SPDX-License-Identifier: MIT */
/*
 * The readers' socket without the rest of the service: serves the events of a private monitor, so
 * that tests leave the machine's resident observer alone.
 *
 *	readers_host SOCKET BYTES COUNT own|none [GROUP]
 *
 * Says "ready" on standard output, and ends at the end of standard input; then it says how much
 * memory it used at most.
 */
#include "procobsrv.h"
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct host {
	struct server *server;
	struct procobsrv *monitor;
};

static void on_event(const struct procobsrv_event *event, void *param)
{
	struct host *host = param;

	server_event(host->server, event);
}

static struct procobsrv *borrow_monitor(void *param)
{
	return ((struct host *)param)->monitor;
}

static void return_monitor(void *param)
{
	(void)param;
}

static int fail(const char *what)
{
	fprintf(stderr, "readers_host: %s: %s\n", what, procobsrv_explain());
	return 1;
}

static int serve(struct host *host, const struct server_options *served)
{
	const struct procobsrv_options options = {
	    .size = sizeof options,
	    .handler = {on_event, host},
	    .kinds = PROCOBSRV_KINDS_ALL & ~PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED),
	    .flags = PROCOBSRV_KERNEL_THREADS,
	    .buffer_size = 16u << 20,
	};
	struct procobsrv_statistics statistics;
	struct server_figures figures;
	struct rusage usage;
	char byte;

	if (procobsrv_open(&options, &host->monitor))
		return fail("no monitor");
	if (server_open(served, &host->server) || server_start(host->server))
		return fail("no server");
	if (procobsrv_start(host->monitor))
		return fail("cannot observe");
	usleep(200000); /* what existed is told first */
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	procobsrv_stop(host->monitor, PROCOBSRV_STOP_DRAIN);
	procobsrv_statistics(host->monitor, &statistics, sizeof statistics);
	server_figures(host->server, &figures);
	server_close(host->server);
	procobsrv_close(host->monitor);
	getrusage(RUSAGE_SELF, &usage);
	printf("observed %llu lost %llu sent %llu readers-lost %llu accepted %llu refused %llu "
	       "peak-kib %ld\n",
	       (unsigned long long)statistics.observed, (unsigned long long)statistics.lost,
	       (unsigned long long)figures.sent, (unsigned long long)figures.lost,
	       (unsigned long long)figures.accepted, (unsigned long long)figures.refused,
	       usage.ru_maxrss);
	return 0;
}

int main(int count, char **arguments)
{
	static struct host host;

	if (count < 5) {
		fprintf(stderr, "usage: readers_host SOCKET BYTES COUNT own|none [GROUP]\n");
		return 2;
	}
	const struct server_options options = {
	    .socket = arguments[1],
	    .memory_size = strtoull(arguments[2], NULL, 10),
	    .count = (uint32_t)strtoul(arguments[3], NULL, 10),
	    .own_processes = !strcmp(arguments[4], "own"),
	    .group = arguments[5],
	    .kinds = PROCOBSRV_KINDS_ALL & ~PROCOBSRV_KIND_BIT(PROCOBSRV_EXEC_FAILED),
	    .borrow_monitor = borrow_monitor,
	    .return_monitor = return_monitor,
	    .param = &host,
	};
	return serve(&host, &options);
}
