/* SPDX-License-Identifier: MIT */
/*
 * driver_tests.exe DRIVER HELPER [CASE]
 *
 * ProcObsrv.sys (DRIVER) by its control codes alone, with ObsrvTest.sys (HELPER) in the place of
 * the kernel. Speaks TAP.
 */
#include "driver_tests.h"

#include "helper_client.h"
#include "service.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const wchar_t *driver_path;

static const struct tap_case cases[] = {
    {"start_stop", test_start_stop},
    {"sizes", test_sizes},
    {"codes", test_codes},
    {"values", test_values},
    {"random_requests", test_random_requests},
    {"contents", test_contents},
    {"one_client", test_one_client},
    {"three_clients", test_three_clients},
    {"killed_client", test_killed_client},
    {"plain_routine", test_plain_routine},
    {"cancel", test_cancel},
    {"second_read", test_second_read},
    {"deactivate_while_waiting", test_deactivate_while_waiting},
    {"close_while_waiting", test_close_while_waiting},
    {"killed_while_waiting", test_killed_while_waiting},
    {"event", test_event},
    {"clients_are_apart", test_clients_are_apart},
    {"reader_comes_back", test_reader_comes_back},
    {"reader_gone_too_long", test_reader_gone_too_long},
    {"unacknowledged_again", test_unacknowledged_again},
    {"one_resident_reader", test_one_resident_reader},
    {"resume_token", test_resume_token},
    {"removed_while_events_flow", test_removed_while_events_flow},
    {"device_taken", test_device_taken},
    {"link_taken", test_link_taken},
    {"registration_refused", test_registration_refused},
    {NULL, NULL},
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

static wchar_t *wide(const char *text)
{
	int length = MultiByteToWideChar(CP_ACP, 0, text, -1, NULL, 0);
	wchar_t *result = calloc((size_t)length, sizeof(*result));

	if (!result)
		exit(2);
	MultiByteToWideChar(CP_ACP, 0, text, -1, result, length);
	return result;
}

int main(int count, char **arguments)
{
	int status;
	DWORD error;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (count > 1 && strcmp(arguments[1], "--reader") == 0)
		return reader_process_main(count - 2, arguments + 2);
	if (count < 3) {
		fprintf(stderr, "usage: driver_tests DRIVER HELPER [CASE]\n");
		return 2;
	}
	driver_path = wide(arguments[1]);
	/* Of a test that was killed. */
	service_remove(PROCOBSRV_SERVICE_NAME);
	error = helper_begin(wide(arguments[2]));
	if (error) {
		printf("Bail out! the helper driver could not be loaded: error %lu\n", error);
		return 1;
	}
	status = tap_run(cases, count > 3 ? arguments[3] : NULL);
	helper_end();
	return status;
}
