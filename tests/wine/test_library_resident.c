/* SPDX-License-Identifier: MIT */
/* The resident observer: installed, read, left, read again, removed. */
#include "library_tests.h"

#include "resident.h"

#include <string.h>

static bool install(uint64_t buffer_size)
{
	const struct source_options options = {.buffer_size = buffer_size};

	return check(!resident_install(&options), "install: %s", procobsrv_explain());
}

static void uninstall(void)
{
	check(!resident_uninstall(), "uninstall: %s", procobsrv_explain());
	expect_no_driver();
}

static struct resident_status look(void)
{
	struct resident_status status;

	check(!resident_status(&status), "status: %s", procobsrv_explain());
	check(!status.installed || status.adds_up, "the status does not add up");
	return status;
}

/* Reads what there is; false: it could not. */
static bool read_all(struct counts *counts, uint64_t injected)
{
	struct procobsrv *monitor = start_monitor(counts, "driver", PROCOBSRV_RESIDENT, 0);

	if (monitor)
		finish_monitor(monitor, counts, injected);
	return monitor;
}

/* Nobody reads while 20,000 events happen; who comes then gets them, in order. */
void test_resident(void)
{
	struct counts first = {0}, second = {0};

	if (!install(32u << 20))
		return;
	inject(1, 100);
	read_all(&first, 100);
	check(first.lost_starts + first.lost_exits == 0, "some were lost");
	inject(1, 10000);
	struct resident_status status = look();
	check(status.pending == 20000, "%llu are pending", status.pending);
	second.last_seq = first.last_seq;
	read_all(&second, 10000);
	check(second.lost_starts + second.lost_exits == 0, "some were lost");
	check(second.disorders == 0, "%ld came out of order", second.disorders);
	status = look();
	check(status.pending == 0 && status.read == 20200, "%llu are pending, %llu read",
	      status.pending, status.read);
	uninstall();
}

/* Gone for longer than the ring lasts: told how many of which kind. */
void test_resident_overrun(void)
{
	struct counts first = {0}, second = {0}, third = {0};

	if (!install(256u << 10))
		return;
	inject(1, 10000);
	read_all(&first, 10000);
	check(first.lost_starts > 1000 && first.lost_exits > 1000, "only %ld and %ld were lost",
	      first.lost_starts, first.lost_exits);
	inject(2, 5000);
	second.last_seq = first.last_seq;
	read_all(&second, 10000);
	check(second.lost_starts > 1000 && second.lost_exits > 1000, "only %ld and %ld were lost",
	      second.lost_starts, second.lost_exits);
	inject(1, 10);
	third.last_seq = second.last_seq;
	read_all(&third, 10);
	check(third.lost_starts + third.lost_exits == 0, "some were lost");
	look();
	uninstall();
}

/* What was delivered and not acknowledged comes again, with the same numbers and cursors. */
void test_resident_again(void)
{
	struct counts first = {0}, second = {0};
	struct procobsrv *monitor;

	if (!install(1u << 20))
		return;
	inject(1, 500);
	monitor = start_monitor(&first, "driver", PROCOBSRV_RESIDENT | PROCOBSRV_ACKNOWLEDGE, 0);
	if (monitor)
		finish_monitor(monitor, &first, 500);
	check(look().pending == 1000, "%llu are pending", look().pending);
	read_all(&second, 500);
	check(first.last_seq == second.last_seq, "the numbers end with %llu and %llu",
	      first.last_seq, second.last_seq);
	check(look().pending == 0, "%llu are pending", look().pending);
	uninstall();
}

static void expect_error(int error, int wanted, const char *words)
{
	check(error == wanted, "error %d instead of %d: %s", error, wanted, procobsrv_explain());
	check(strstr(procobsrv_explain(), words) != NULL, "it does not say '%s': %s", words,
	      procobsrv_explain());
}

void test_resident_refusals(void)
{
	const struct source_options options = {0};
	struct counts counts = {0}, others = {0};
	struct procobsrv *monitor, *other;

	expect_error(resident_uninstall(), PROCOBSRV_ERROR_NOT_FOUND, "no resident observer");
	expect_error(resident_replace(&options), PROCOBSRV_ERROR_NOT_FOUND, "no resident observer");
	monitor = open_monitor(&counts, "driver", PROCOBSRV_RESIDENT, 0);
	expect_error(procobsrv_start(monitor), PROCOBSRV_ERROR_NOT_FOUND, "consctl install");
	procobsrv_close(monitor);
	if (!install(0))
		return;
	expect_error(resident_install(&options), PROCOBSRV_ERROR_BUSY, "installed already");
	monitor = start_monitor(&counts, "driver", PROCOBSRV_RESIDENT, 0);
	if (monitor) {
		check(look().holder == GetCurrentProcessId(), "the reader is %u", look().holder);
		check(!strcmp(look().holder_name, "library_tests.exe"), "its name is %s",
		      look().holder_name);
		other = open_monitor(&others, "driver", PROCOBSRV_RESIDENT, 0);
		expect_error(procobsrv_start(other), PROCOBSRV_ERROR_BUSY, "library_tests.exe");
		procobsrv_close(other);
		expect_error(resident_uninstall(), PROCOBSRV_ERROR_BUSY, "library_tests.exe");
		procobsrv_close(monitor);
	}
	check(!resident_replace(&options), "replace: %s", procobsrv_explain());
	uninstall();
}

/* What was loaded to watch becomes resident, and stays when the watching ends. */
void test_install_over_watch(void)
{
	struct counts watched = {0}, resident = {0};
	struct procobsrv *monitor = start_monitor(&watched, "driver", 0, 0);

	if (!monitor)
		return;
	inject(1, 100);
	if (!install(0)) {
		procobsrv_close(monitor);
		return;
	}
	inject(1, 200);
	expect_error(resident_uninstall(), PROCOBSRV_ERROR_BUSY, "1 other monitor");
	finish_monitor(monitor, &watched, 300);
	check(look().installed, "it went with the watching");
	read_all(&resident, 200);
	check(resident.lost_starts + resident.lost_exits == 0, "what was before it counts as lost");
	uninstall();
}
