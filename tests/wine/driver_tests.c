/* SPDX-License-Identifier: MIT */
/*
 * driver_tests.exe DRIVER HELPER GROUP [CASE]
 *
 * ProcObsrv.sys (DRIVER) by its control codes alone, with ObsrvTest.sys (HELPER) in the place of
 * the kernel. Speaks TAP.
 */
#include "driver_tests.h"

#include "helper_client.h"
#include "service.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>

const wchar_t *driver_path;

static const struct tap_case malformed_cases[] = {
    {"sizes", test_sizes},
    {"codes", test_codes},
    {"values", test_values},
    {"random_requests", test_random_requests},
    {NULL, NULL},
};

static const struct tap_case delivery_cases[] = {
    {"contents", test_contents},	   {"one_client", test_one_client},
    {"three_clients", test_three_clients}, {"killed_client", test_killed_client},
    {"plain_routine", test_plain_routine}, {NULL, NULL},
};

static const struct tap_case waiting_cases[] = {
    {"cancel", test_cancel},
    {"second_read", test_second_read},
    {"deactivate_while_waiting", test_deactivate_while_waiting},
    {"close_while_waiting", test_close_while_waiting},
    {"killed_while_waiting", test_killed_while_waiting},
    {"event", test_event},
    {"clients_are_apart", test_clients_are_apart},
    {NULL, NULL},
};

static const struct tap_case resident_cases[] = {
    {"reader_comes_back", test_reader_comes_back},
    {"reader_gone_too_long", test_reader_gone_too_long},
    {"unacknowledged_again", test_unacknowledged_again},
    {"one_resident_reader", test_one_resident_reader},
    {"resume_token", test_resume_token},
    {NULL, NULL},
};

static const struct tap_case lifecycle_cases[] = {
    {"start_stop", test_start_stop},
    {"removed_while_events_flow", test_removed_while_events_flow},
    {"device_taken", test_device_taken},
    {"link_taken", test_link_taken},
    {"registration_refused", test_registration_refused},
    {NULL, NULL},
};

static const struct {
	const char *name;
	const struct tap_case *cases;
} groups[] = {
    {"malformed", malformed_cases}, {"delivery", delivery_cases},   {"waiting", waiting_cases},
    {"resident", resident_cases},   {"lifecycle", lifecycle_cases},
};

bool begin(void)
{
	DWORD error = driver_begin(driver_path);

	return check(error == 0, "the driver could not be loaded: error %lu", error);
}

void end(void)
{
	DWORD error = driver_end();

	check(error == 0, "the driver could not be unloaded: error %lu", error);
	driver_expect_gone();
	helper_set_conditions(0);
}

static const struct tap_case *find_group(const char *name)
{
	for (size_t index = 0; index < sizeof(groups) / sizeof(groups[0]); index++)
		if (strcmp(groups[index].name, name) == 0)
			return groups[index].cases;
	return NULL;
}

int main(int count, char **arguments)
{
	const struct tap_case *cases;
	const wchar_t *helper_path;
	int status;
	DWORD error;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (count > 1 && strcmp(arguments[1], "--reader") == 0)
		return reader_process_main(count - 2, arguments + 2);
	cases = count > 3 ? find_group(arguments[3]) : NULL;
	if (!cases) {
		fprintf(stderr, "usage: driver_tests DRIVER HELPER GROUP [CASE]\n");
		return 2;
	}
	driver_path = service_path(arguments[1]);
	helper_path = service_path(arguments[2]);
	if (!driver_path || !helper_path) {
		printf("Bail out! out of memory\n");
		return 1;
	}
	/* Of a test that was killed. */
	service_remove(PROCOBSRV_SERVICE_NAME);
	error = helper_begin(helper_path);
	if (error) {
		printf("Bail out! the helper driver could not be loaded: error %lu\n", error);
		return 1;
	}
	status = tap_run(cases, count > 4 ? arguments[4] : NULL);
	helper_end();
	return status;
}
