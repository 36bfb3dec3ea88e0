/* SPDX-License-Identifier: MIT */
/* Events through the driver, as a program gets them. */
#include "library_tests.h"

#include <string.h>

void test_events(void)
{
	struct counts counts = {0};
	struct procobsrv *monitor = start_monitor(&counts, "driver", 0, 0);

	if (!monitor)
		return;
	check(!strcmp(procobsrv_backend(monitor), "driver"), "the backend is %s",
	      procobsrv_backend(monitor));
	inject(4, 5000);
	finish_monitor(monitor, &counts, 20000);
	expect_no_driver();
}

/* A handler that sleeps costs nothing: the queue takes what the driver tells. (The ring holds all,
 * so that a busy machine does not lose any.) */
void test_slow_handler(void)
{
	struct counts counts = {.pause_ms = 20, .pauses = 100};
	struct procobsrv *monitor = start_monitor(&counts, "driver", 0, 32u << 20);

	if (!monitor)
		return;
	inject_paced(1, 20000, 200);
	finish_monitor(monitor, &counts, 20000);
	check(counts.lost_starts == 0 && counts.lost_exits == 0, "%ld and %ld were lost",
	      counts.lost_starts, counts.lost_exits);
	check(counts.disorders == 0, "%ld starts came out of order", counts.disorders);
	expect_no_driver();
}

/* The driver goes with the last who watches, and each has numbers of its own. */
void test_two_monitors(void)
{
	struct counts first = {0}, second = {0};
	struct procobsrv *one = start_monitor(&first, "driver", 0, 0), *other;

	if (!one)
		return;
	inject(1, 100);
	other = start_monitor(&second, "driver", 0, 0);
	if (other)
		inject(1, 1000);
	finish_monitor(one, &first, other ? 1100 : 100);
	if (!other)
		return;
	inject(1, 1000);
	finish_monitor(other, &second, 2000);
	expect_no_driver();
}

/* What runs already is in the table, under the identity that the driver gives. */
void test_existing(void)
{
	struct counts counts = {0};
	struct procobsrv *monitor = start_monitor(&counts, "driver", 0, 0);
	const struct helper_process exit = {.kind = HELPER_EXIT, .pid = GetCurrentProcessId()};
	const struct procobsrv_process *process;
	uint32_t pid = GetCurrentProcessId();

	if (!monitor)
		return;
	if (check(!procobsrv_find(monitor, pid, &process), "we are not in the table: %s",
		  procobsrv_explain())) {
		check(process->exe && strstr(process->exe, "library_tests.exe"), "our exe is %s",
		      process->exe ? process->exe : "not told");
		check(process->command_line && strstr(process->command_line, "library_tests"),
		      "our command line is %s",
		      process->command_line ? process->command_line : "not told");
		check(process->sid && !strncmp(process->sid, "S-1-5-", 6), "our user is %s",
		      process->sid ? process->sid : "not told");
		procobsrv_process_unref(process);
	}
	/* Only an exit of the same identity takes us out of it. */
	check(!helper_forward(&exit, NULL, NULL), "our end could not be told");
	for (int tries = 0; tries < 1500 && !procobsrv_find(monitor, pid, &process); tries++) {
		procobsrv_process_unref(process);
		Sleep(20);
	}
	check(procobsrv_find(monitor, pid, &process) == PROCOBSRV_ERROR_NOT_FOUND,
	      "the identity of the list is not the driver's");
	procobsrv_close(monitor);
	expect_no_driver();
}

/* Whether or not the reader keeps up: what is not delivered is told, by kind. */
void test_small_ring(void)
{
	struct counts counts = {0};
	struct procobsrv *monitor = start_monitor(&counts, "driver", 0, 256u << 10);
	struct procobsrv_statistics statistics;

	if (!monitor)
		return;
	procobsrv_statistics(monitor, &statistics, sizeof(statistics));
	check(statistics.ring_size == 256u << 10, "the ring has %llu bytes", statistics.ring_size);
	inject(4, 10000);
	finish_monitor(monitor, &counts, 40000);
	note("%ld and %ld of 40000 were lost", counts.lost_starts, counts.lost_exits);
	expect_no_driver();
}

void test_restart(void)
{
	for (int round = 0; round < 3; round++) {
		struct counts counts = {0};
		struct procobsrv *monitor = start_monitor(&counts, "driver", 0, 0);

		if (!monitor)
			return;
		inject(1, 50);
		finish_monitor(monitor, &counts, 50);
		expect_no_driver();
	}
}
