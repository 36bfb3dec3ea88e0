/* SPDX-License-Identifier: MIT */
/* The cases of library_tests.exe, and what they share. */
#ifndef PROCOBSRV_TESTS_WINE_LIBRARY_TESTS_H
#define PROCOBSRV_TESTS_WINE_LIBRARY_TESTS_H

#include "helper_client.h"
#include "procobsrv.h"
#include "tap.h"

#include <windows.h>

/* Injected processes begin here: no real one has such a pid. */
#define FIRST_PID 0x1000000u

/* What a monitor delivered; the handler counts, on the dispatcher thread. */
struct counts {
	volatile LONG starts; /* of injected processes */
	volatile LONG exits;
	volatile LONG lost_starts;
	volatile LONG lost_exits;
	volatile LONG lost_unknown;
	uint64_t last_seq;
	uint32_t last_pid;    /* injected: grows */
	volatile LONG breaks; /* in the numbers */
	volatile LONG disorders;
	DWORD pause_ms;	      /* after each event */
	volatile LONG pauses; /* so many events are followed by a pause */
};

struct procobsrv *open_monitor(struct counts *counts, const char *backend, uint32_t flags,
			       uint64_t buffer_size);
/* Opens and starts; NULL, and the case has failed. */
struct procobsrv *start_monitor(struct counts *counts, const char *backend, uint32_t flags,
				uint64_t buffer_size);
/* Stops it and checks that all was accounted for; closes it. */
void finish_monitor(struct procobsrv *monitor, struct counts *counts, uint64_t injected);

/* As many starts and exits of each of so many threads. */
void inject(uint32_t threads, uint32_t processes);
/* The same, with a pause of 10 ms after each `burst` events of a thread. */
void inject_paced(uint32_t threads, uint32_t processes, uint32_t burst);
void expect_no_driver(void);

void test_events(void);
void test_slow_handler(void);
void test_two_monitors(void);
void test_existing(void);
void test_small_ring(void);
void test_restart(void);
void test_resident(void);
void test_resident_overrun(void);
void test_resident_again(void);
void test_resident_refusals(void);
void test_foreign_service(void);
void test_disabled_service(void);
void test_missing_file(void);
void test_squatted_lock(void);
void test_install_over_watch(void);
void test_job(void);
void test_job_tree(void);
void test_snapshot(void);

#endif
