/* SPDX-License-Identifier: MIT */
/* That host.c notices what it is there to notice: each rule is broken once, in a process of its
 * own. */
#include "driver_client.h"

#include "status.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char target[64];
static const void *guarded;

static void touch_pageable(void)
{
	target[0] = *(const volatile char *)guarded;
}

static void copy_pageable_under_spin_lock(void)
{
	host_spin_acquire();
	os_copy_pageable(target, guarded, sizeof target);
}

static void take_the_lock_under_spin_lock(void)
{
	struct os_lock *lock = os_lock_create();

	host_spin_acquire();
	os_lock_acquire(lock);
}

static void take_the_lock_twice(void)
{
	struct os_lock *lock = os_lock_create();

	os_lock_acquire(lock);
	os_lock_acquire(lock);
}

static void take_the_gate_under_the_lock(void)
{
	struct os_lock *lock = os_lock_create();
	struct os_gate *gate = os_gate_create();

	os_lock_acquire(lock);
	os_gate_acquire(gate);
}

static void observe_under_the_lock(void)
{
	struct os_lock *lock = os_lock_create();
	struct os_gate *gate = os_gate_create();

	os_gate_acquire(gate);
	os_lock_acquire(lock);
	os_observe(true);
}

static void observe_without_the_gate(void)
{
	os_observe(true);
}

static void complete_under_the_lock(void)
{
	struct os_lock *lock = os_lock_create();
	struct os_read read;

	host_read_begin(&read, target, sizeof target);
	os_lock_acquire(lock);
	os_reads_complete(&read);
}

static void complete_twice(void)
{
	struct os_read read;

	host_read_begin(&read, target, sizeof target);
	os_reads_complete(&read);
	os_reads_complete(&read);
}

static void leave_a_read_waiting(void)
{
	struct os_lock *lock = os_lock_create();
	struct os_client *client;
	struct os_read read;

	host_read_begin(&read, target, sizeof target);
	os_client_open(1, &client);
	os_lock_acquire(lock);
	os_client_park(client, &read);
	os_lock_release(lock);
	os_client_close(client);
}

static void keep_the_rules(void)
{
	struct os_lock *lock = os_lock_create();

	os_lock_acquire(lock);
	os_copy_pageable(target, guarded, sizeof target);
	os_lock_release(lock);
	os_lock_destroy(lock);
}

static bool survives(void (*act)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		close(STDERR_FILENO);
		signal(SIGSEGV, SIG_DFL); /* cmocka's would go on with the other tests */
		act();
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void broken_rules_are_noticed(void **state)
{
	static const char content[64] = "content";

	(void)state;
	guarded = host_pageable(content, sizeof content);
	assert_true(survives(keep_the_rules));
	assert_false(survives(touch_pageable));
	assert_false(survives(copy_pageable_under_spin_lock));
	assert_false(survives(take_the_lock_under_spin_lock));
	assert_false(survives(take_the_lock_twice));
	assert_false(survives(take_the_gate_under_the_lock));
	assert_false(survives(observe_under_the_lock));
	assert_false(survives(observe_without_the_gate));
	assert_false(survives(complete_under_the_lock));
	assert_false(survives(complete_twice));
	assert_false(survives(leave_a_read_waiting));
	host_pageable(NULL, 0);
}

/* A tally that lets a hole pass unexplained would prove nothing. */
static void swallow_a_record(void)
{
	struct tally tally = {.number = 5};
	struct record_header header = {.number = 7, .kind = RECORD_START};

	tally_record(&tally, &header);
}

static void tell_a_loss_that_was_none(void)
{
	struct tally tally = {.number = 5};
	struct record_header header = {.number = 6, .kind = RECORD_START, .lost = {1}};

	tally_record(&tally, &header);
}

static void repeat_a_record(void)
{
	struct tally tally = {.number = 5};
	struct record_header header = {.number = 5, .kind = RECORD_START};

	tally_record(&tally, &header);
}

static void wrong_counts_are_noticed(void **state)
{
	(void)state;
	assert_false(survives(swallow_a_record));
	assert_false(survives(tell_a_loss_that_was_none));
	assert_false(survives(repeat_a_record));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(broken_rules_are_noticed),
	    cmocka_unit_test(wrong_counts_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
