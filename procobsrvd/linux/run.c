/* SPDX-License-Identifier: MIT */
/* The main thread while the service runs: signals, and what systemd wants to know. */
#include "run.h"

#include "error.h"
#include "notice.h"
#include "os.h"
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#define TEND_MS	  100
#define STATUS_NS UINT64_C(10000000000)

struct running {
	const char *file;
	struct service *service;
	int signals;		/* descriptor */
	uint64_t watchdog_ns;	/* between two words to the watchdog; 0: there is none */
	uint64_t watchdog_said; /* monotonic */
	uint64_t status_said;
};

static void log_complaint(unsigned line, unsigned column, const char *text, void *param)
{
	service_log(PRIORITY_ERROR, "%s:%u:%u: %s", (const char *)param, line, column, text);
}

static void log_notice(const char *line)
{
	service_log(PRIORITY_WARNING, "%s", line);
}

static int read_file(const char *file, const struct configuration **configuration)
{
	return configuration_read(file, service_sinks, log_complaint, (void *)(uintptr_t)file,
				  configuration);
}

/* ---- systemd ---- */

static void count_failing(const struct sink_runner_statistics *statistics, void *param)
{
	*(unsigned *)param += statistics->failing;
}

static void say_status(struct running *running)
{
	struct service_statistics statistics;
	uint64_t events = 0, lost = 0;
	unsigned failing = 0;

	service_statistics(running->service, &statistics);
	for (int kind = 0; kind < SINK_RUNNER_KINDS; kind++) {
		events += kind == PROCOBSRV_LOST ? 0 : statistics.events[kind];
		for (int stage = 0; stage < SERVICE_STAGES; stage++)
			lost += statistics.lost[stage][kind];
	}
	service_visit_sinks(running->service, count_failing, &failing);
	sd_notifyf(0, "STATUS=%" PRIu64 " events, %" PRIu64 " lost, %u sinks failing%s", events,
		   lost, failing,
		   statistics.reload_failed ? "; the last reload failed, an earlier "
					      "configuration is in use"
					    : "");
	running->status_said = os_monotonic_ns();
}

static void say_alive(struct running *running)
{
	uint64_t now = os_monotonic_ns();

	if (running->watchdog_ns && now - running->watchdog_said >= running->watchdog_ns &&
	    service_is_alive(running->service)) {
		sd_notify(0, "WATCHDOG=1");
		running->watchdog_said = now;
	}
	if (now - running->status_said >= STATUS_NS)
		say_status(running);
}

/* ---- signals ---- */

/* Those that we take, and SIGPIPE, which a reader that went away would send. */
static int take_signals(int *descriptor)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaction(SIGPIPE, &ignore, NULL);
	int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (error)
		return error_set_errno(error, "cannot block signals");
	*descriptor = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *descriptor < 0 ? error_set_errno(errno, "cannot make a descriptor for signals") : 0;
}

static void reload(struct running *running)
{
	const struct configuration *configuration;

	struct timespec now; /* of the clock that systemd asks for */

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	if (read_file(running->file, &configuration)) {
		service_log(PRIORITY_ERROR, "%s: the configuration that was in force stays",
			    procobsrv_explain());
		service_reload_failed(running->service);
	} else {
		int error = service_reload(running->service, configuration);
		configuration_unref(configuration);
		service_log(error ? PRIORITY_ERROR : PRIORITY_NOTICE,
			    "the configuration in %s is in force%s", running->file,
			    error ? ", but for its section observer" : "");
	}
	sd_notify(0, "READY=1");
	say_status(running);
}

/* False: it is time to end. */
static bool take_signal(struct running *running)
{
	struct signalfd_siginfo signal;

	while (read(running->signals, &signal, sizeof(signal)) == (ssize_t)sizeof(signal)) {
		if (signal.ssi_signo != SIGHUP)
			return false;
		reload(running);
	}
	return true;
}

static int loop(struct running *running)
{
	struct pollfd waited = {.fd = running->signals, .events = POLLIN};

	for (;;) {
		poll(&waited, 1, TEND_MS);
		if (!take_signal(running))
			return 0;
		if (!service_tend(running->service)) {
			service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
			return PROCOBSRV_ERROR_ENDED;
		}
		say_alive(running);
	}
}

/* ---- whole ---- */

static int start(struct running *running)
{
	const struct configuration *configuration;
	uint64_t watchdog_us = 0;
	int error = read_file(running->file, &configuration);

	if (error)
		return error;
	notice_to(log_notice);
	error = take_signals(&running->signals);
	if (!error)
		error = service_start(configuration, &running->service);
	configuration_unref(configuration);
	if (!error && sd_watchdog_enabled(0, &watchdog_us) > 0)
		running->watchdog_ns = watchdog_us * 1000 / 2;
	return error;
}

int run_service(const char *file)
{
	struct running running = {.file = file, .signals = -1};
	int error = start(&running);

	if (error) {
		service_log(PRIORITY_ERROR, "%s", procobsrv_explain());
	} else {
		service_log(PRIORITY_NOTICE, "procobsrvd %s observes", procobsrv_version());
		sd_notify(0, "READY=1");
		say_status(&running);
		error = loop(&running);
		sd_notify(0, "STOPPING=1\nSTATUS=writing what was observed until now");
		service_stop(running.service);
		service_log(PRIORITY_NOTICE,
			    "procobsrvd has ended; the observer goes on in the kernel");
	}
	if (running.signals >= 0)
		close(running.signals);
	return error;
}
