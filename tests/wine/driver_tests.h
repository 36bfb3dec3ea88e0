/* SPDX-License-Identifier: MIT */
/* The groups of cases of driver_tests.exe, and what they share. */
#ifndef PROCOBSRV_TESTS_WINE_DRIVER_TESTS_H
#define PROCOBSRV_TESTS_WINE_DRIVER_TESTS_H

#include "driver_client.h"

/* Loads the driver under test; false and a failed case if that is not possible. */
bool begin(void);
/* Unloads and removes it, and holds that nothing is left. */
void end(void);

/* The file of the driver under test. */
extern const wchar_t *driver_path;

/* test_malformed.c */
void test_sizes(void);
void test_codes(void);
void test_values(void);
void test_random_requests(void);

/* test_delivery.c */
void test_one_client(void);
void test_three_clients(void);
void test_killed_client(void);
void test_plain_routine(void);
void test_contents(void);

/* test_waiting.c */
void test_cancel(void);
void test_second_read(void);
void test_deactivate_while_waiting(void);
void test_close_while_waiting(void);
void test_killed_while_waiting(void);
void test_event(void);
void test_clients_are_apart(void);

/* test_resident_token.c */
void test_reader_comes_back(void);
void test_reader_gone_too_long(void);
void test_unacknowledged_again(void);
void test_one_resident_reader(void);
void test_resume_token(void);

/* test_lifecycle.c */
void test_start_stop(void);
void test_removed_while_events_flow(void);
void test_device_taken(void);
void test_link_taken(void);
void test_registration_refused(void);

/* reader_process.c: clients in a process of their own, so that it can be killed. */

struct reader_process {
	HANDLE process;
};

/*
 * Starts a process that has activated monitoring when this returns: it reads, pausing after each
 * batch; or lets one read wait and never looks at it.
 */
bool reader_process_start(struct reader_process *reader, bool waits, unsigned pause_ms);
/* Kills it and waits until it has ended. */
void reader_process_kill(struct reader_process *reader);
/* What the started process does. Arguments: those after its name. */
int reader_process_main(int count, char **arguments);

#endif
