/* SPDX-License-Identifier: MIT */
/* What the public calls say to callers who pass what they should not. */
#include "harness.h"
#include "procobsrv.h"

#include <stdint.h>
#include <string.h>

static struct procobsrv *monitor;

static int begin(void **state)
{
	(void)state;
	return procobsrv_open(NULL, &monitor);
}

static int end(void **state)
{
	(void)state;
	return procobsrv_close(monitor);
}

static int visit_none(const struct procobsrv_process *process, void *param)
{
	(void)process;
	(void)param;
	return 0;
}

#define REFUSED(call, function)                                                                    \
	do {                                                                                       \
		assert_int_equal((call), PROCOBSRV_ERROR_ARGUMENT);                                \
		assert_non_null(strstr(procobsrv_explain(), function));                            \
	} while (0)

static void no_monitor(void **state)
{
	const struct procobsrv_event *event = NULL;
	const struct procobsrv_process *process = NULL;
	struct procobsrv_statistics statistics;

	(void)state;
	REFUSED(procobsrv_open(NULL, NULL), "procobsrv_open");
	REFUSED(procobsrv_start(NULL), "procobsrv_start");
	REFUSED(procobsrv_stop(NULL, PROCOBSRV_STOP_DRAIN), "procobsrv_stop");
	REFUSED(procobsrv_wait(NULL, 0), "procobsrv_wait");
	REFUSED(procobsrv_next(NULL, 0, &event), "procobsrv_next");
	REFUSED(procobsrv_descriptor(NULL), "procobsrv_descriptor");
	REFUSED(procobsrv_statistics(NULL, &statistics, sizeof(statistics)),
		"procobsrv_statistics");
	REFUSED(procobsrv_find(NULL, 1, &process), "procobsrv_find");
	REFUSED(procobsrv_visit(NULL, visit_none, NULL), "procobsrv_visit");
	REFUSED(procobsrv_acknowledge(NULL, event), "procobsrv_acknowledge");
	assert_null(procobsrv_backend(NULL));
	assert_null(procobsrv_backend_limits(NULL));
	assert_int_equal(procobsrv_close(NULL), 0);
	procobsrv_event_unref(NULL);
	procobsrv_process_unref(NULL);
}

static void no_place(void **state)
{
	(void)state;
	REFUSED(procobsrv_next(monitor, 0, NULL), "procobsrv_next");
	REFUSED(procobsrv_statistics(monitor, NULL, sizeof(struct procobsrv_statistics)),
		"procobsrv_statistics");
	REFUSED(procobsrv_find(monitor, 1, NULL), "procobsrv_find");
	REFUSED(procobsrv_visit(monitor, NULL, NULL), "procobsrv_visit");
	REFUSED(procobsrv_acknowledge(monitor, NULL), "procobsrv_acknowledge");
}

static void not_started(void **state)
{
	const struct procobsrv_event *event = NULL;
	struct procobsrv_statistics statistics = {.observed = 7};

	(void)state;
	assert_int_equal(procobsrv_next(monitor, 0, &event), PROCOBSRV_ERROR_STATE);
	assert_null(event);
	assert_int_equal(procobsrv_stop(monitor, PROCOBSRV_STOP_DRAIN), PROCOBSRV_ERROR_STATE);
	assert_int_equal(procobsrv_stop(monitor, (enum procobsrv_stop_mode)9),
			 PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(procobsrv_wait(monitor, -1), 0);
	assert_int_equal(procobsrv_visit(monitor, visit_none, NULL), 0);
	assert_int_equal(procobsrv_statistics(monitor, &statistics, sizeof(uint64_t) - 1),
			 PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(statistics.observed, 7);
	assert_int_equal(procobsrv_statistics(monitor, &statistics, sizeof(statistics)), 0);
	assert_int_equal(statistics.observed, 0);
}

static int try_options(const struct procobsrv_options *options)
{
	struct procobsrv *opened = NULL;
	int error = procobsrv_open(options, &opened);

	assert_true(error ? !opened : !!opened);
	procobsrv_close(opened);
	return error;
}

static void options_of_other_versions(void **state)
{
	struct {
		struct procobsrv_options options;
		uint64_t more;
	} newer;

	(void)state;
	memset(&newer, 0, sizeof(newer));
	assert_int_equal(try_options(&newer.options), PROCOBSRV_ERROR_ARGUMENT);
	newer.options.size = offsetof(struct procobsrv_options, redact);
	assert_int_equal(try_options(&newer.options), 0);
	newer.options.size = sizeof(newer);
	assert_int_equal(try_options(&newer.options), 0);
	newer.more = 1;
	REFUSED(try_options(&newer.options), "newer");
}

static void options_that_contradict(void **state)
{
	const struct procobsrv_options wrong[] = {
	    {.size = sizeof(*wrong), .kinds = 1},
	    {.size = sizeof(*wrong), .kinds = PROCOBSRV_KINDS_ALL + 1},
	    {.size = sizeof(*wrong), .flags = 1u << 31},
	    {.size = sizeof(*wrong), .flags = PROCOBSRV_ACKNOWLEDGE},
	    {.size = sizeof(*wrong), .reserved = 1},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(wrong) / sizeof(*wrong); index++)
		assert_int_equal(try_options(&wrong[index]), PROCOBSRV_ERROR_ARGUMENT);
	assert_int_equal(try_options(&(struct procobsrv_options){.size = sizeof(*wrong),
								 .backend = "telepathy"}),
			 PROCOBSRV_ERROR_UNSUPPORTED);
	assert_int_equal(
	    try_options(&(struct procobsrv_options){.size = sizeof(*wrong), .match = "pid =="}),
	    PROCOBSRV_ERROR_EXPRESSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_monitor),
	    cmocka_unit_test_setup_teardown(no_place, begin, end),
	    cmocka_unit_test_setup_teardown(not_started, begin, end),
	    cmocka_unit_test(options_of_other_versions),
	    cmocka_unit_test(options_that_contradict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
