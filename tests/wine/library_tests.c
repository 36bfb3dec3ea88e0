/* SPDX-License-Identifier: MIT */
/*
 * library_tests.exe HELPER [CASE]
 *
 * The library against ProcObsrv.sys, which lies beside this program, with ObsrvTest.sys (HELPER) in
 * the place of the kernel. Speaks TAP.
 */
#include "library_tests.h"

#include "service.h"

#include "../../observer/windows/ioctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tap_case cases[] = {
    {"events", test_events},
    {"slow_handler", test_slow_handler},
    {"two_monitors", test_two_monitors},
    {"existing", test_existing},
    {"small_ring", test_small_ring},
    {"restart", test_restart},
    {"resident", test_resident},
    {"resident_overrun", test_resident_overrun},
    {"resident_again", test_resident_again},
    {"resident_refusals", test_resident_refusals},
    {"foreign_service", test_foreign_service},
    {"disabled_service", test_disabled_service},
    {"missing_file", test_missing_file},
    {"squatted_lock", test_squatted_lock},
    {"install_over_watch", test_install_over_watch},
    {"job", test_job},
    {"job_tree", test_job_tree},
    {"snapshot", test_snapshot},
    {NULL, NULL},
};

static void count_injected(const struct procobsrv_event *event, struct counts *counts)
{
	uint32_t pid = event->process->pid;

	if (event->kind == PROCOBSRV_START) {
		InterlockedIncrement(&counts->starts);
		if (pid <= counts->last_pid && pid - FIRST_PID < HELPER_EVENTS_MAX * 4u)
			InterlockedIncrement(&counts->disorders);
		counts->last_pid = pid;
	}
	if (event->kind == PROCOBSRV_EXIT)
		InterlockedIncrement(&counts->exits);
}

static void count_event(const struct procobsrv_event *event, void *param)
{
	struct counts *counts = param;

	if (event->kind == PROCOBSRV_LOST) {
		if (counts->lost_starts + counts->lost_exits == 0)
			note("the first loss: %s, %s", event->lost->stage, event->lost->reason);
		InterlockedExchangeAdd(&counts->lost_starts, (LONG)event->lost->start);
		InterlockedExchangeAdd(&counts->lost_exits, (LONG)event->lost->exit);
		InterlockedExchangeAdd(&counts->lost_unknown, (LONG)event->lost->unknown);
		if (event->lost->first != counts->last_seq + 1)
			InterlockedIncrement(&counts->breaks);
	} else if (!(event->flags & PROCOBSRV_EVENT_SYNTHETIC) &&
		   event->kind != PROCOBSRV_EXISTING) {
		if (event->seq != counts->last_seq + 1)
			InterlockedIncrement(&counts->breaks);
		if (event->process->pid >= FIRST_PID)
			count_injected(event, counts);
	}
	counts->last_seq = event->seq;
	if (counts->pauses > 0) {
		counts->pauses--;
		Sleep(counts->pause_ms);
	}
}

struct procobsrv *open_monitor(struct counts *counts, const char *backend, uint32_t flags,
			       uint64_t buffer_size)
{
	const struct procobsrv_options options = {
	    .size = sizeof(options),
	    .handler = {count_event, counts},
	    .backend = backend,
	    .flags = flags,
	    .buffer_size = buffer_size,
	};
	struct procobsrv *monitor = NULL;

	check(!procobsrv_open(&options, &monitor), "no monitor: %s", procobsrv_explain());
	return monitor;
}

struct procobsrv *start_monitor(struct counts *counts, const char *backend, uint32_t flags,
				uint64_t buffer_size)
{
	struct procobsrv *monitor = open_monitor(counts, backend, flags, buffer_size);

	if (!monitor || check(!procobsrv_start(monitor), "not started: %s", procobsrv_explain()))
		return monitor;
	procobsrv_close(monitor);
	return NULL;
}

void finish_monitor(struct procobsrv *monitor, struct counts *counts, uint64_t injected)
{
	struct procobsrv_statistics statistics;

	check(!procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN), "stopping: %s", procobsrv_explain());
	procobsrv_statistics(monitor, &statistics, sizeof(statistics));
	check(statistics.observed ==
		  statistics.delivered + statistics.filtered + statistics.lost + statistics.pending,
	      "observed %llu is not delivered %llu + filtered %llu + lost %llu + pending %llu",
	      statistics.observed, statistics.delivered, statistics.filtered, statistics.lost,
	      statistics.pending);
	check(statistics.pending == 0, "%llu are pending at the end", statistics.pending);
	check((uint64_t)(counts->starts + counts->lost_starts) == injected,
	      "%ld starts and %ld lost ones of %llu", counts->starts, counts->lost_starts,
	      injected);
	check((uint64_t)(counts->exits + counts->lost_exits) == injected,
	      "%ld exits and %ld lost ones of %llu", counts->exits, counts->lost_exits, injected);
	check(counts->lost_unknown == 0, "%ld lost of no kind", counts->lost_unknown);
	check(counts->breaks == 0, "the numbers broke off %ld times", counts->breaks);
	check(!procobsrv_close(monitor), "closing: %s", procobsrv_explain());
}

void inject(uint32_t threads, uint32_t processes)
{
	inject_paced(threads, processes, 0);
}

void inject_paced(uint32_t threads, uint32_t processes, uint32_t burst)
{
	const struct helper_injection injection = {
	    .threads = threads,
	    .events = processes * 2,
	    .kinds = 1u << HELPER_START | 1u << HELPER_EXIT,
	    .first_pid = FIRST_PID,
	    .string_length = 64,
	    .burst = burst,
	    .pause_ms = burst ? 10 : 0,
	};
	struct helper_state before, after;

	if (!helper_inject(&injection, &before) || !helper_wait(60000))
		return;
	after = helper_query();
	check(after.unheard[HELPER_START] == before.unheard[HELPER_START],
	      "nobody was registered for the callback");
}

void expect_no_driver(void)
{
	HANDLE device = CreateFileW(PROCOBSRV_CLIENT_PATH, GENERIC_READ | GENERIC_WRITE, 0, NULL,
				    OPEN_EXISTING, 0, NULL);

	check(device == INVALID_HANDLE_VALUE, "the driver's device is still there");
	if (device != INVALID_HANDLE_VALUE)
		CloseHandle(device);
	check(!service_exists(PROCOBSRV_SERVICE_NAME), "its service is still there");
	check(helper_query().registered == 0, "its callback is still registered");
}

int main(int count, char **arguments)
{
	DWORD error;
	int status;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (count < 2) {
		fprintf(stderr, "usage: library_tests HELPER [CASE]\n");
		return 2;
	}
	/* Of a test that was killed. */
	service_remove(PROCOBSRV_SERVICE_NAME);
	error = helper_begin(service_path(arguments[1]));
	if (error) {
		printf("Bail out! the helper driver could not be loaded: error %lu\n", error);
		return 1;
	}
	status = tap_run(cases, count > 2 ? arguments[2] : NULL);
	helper_end();
	return status;
}
