/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "process.h"
#include "process_table.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

static const struct process_context context = {.boot = "01234567"};

static const struct procobsrv_process *make(uint32_t pid, uint64_t start_ns)
{
	const struct record_identity identity = {.pid = pid, .start_ns = start_ns};
	const struct procobsrv_process *process = process_create_stub(&context, &identity);

	assert_non_null(process);
	return process;
}

static int set_up(void **state)
{
	struct process_table *table = malloc(sizeof *table);

	assert_int_equal(process_table_init(table), 0);
	*state = table;
	return 0;
}

static int tear_down(void **state)
{
	process_table_free(*state);
	free(*state);
	return 0;
}

static void pid_alone_is_no_key(void **state)
{
	struct process_table *table = *state;

	process_table_put(table, make(7, 100));
	assert_non_null(process_table_find_identity(table, 7, 100));
	assert_null(process_table_find_identity(table, 7, 101));
	assert_non_null(process_table_find_identity(table, 7, 0));
	assert_null(process_table_find(table, 8));
}

static void replaced_by_another_it_leaves_the_tree(void **state)
{
	struct process_table *table = *state;

	process_table_put(table, make(7, 100))->in_tree = true;
	assert_true(process_table_put(table, make(7, 100))->in_tree);
	assert_false(process_table_put(table, make(7, 200))->in_tree);
	assert_int_equal(table->count, 1);
}

/* Against a plain array, with pids that collide, through growth and shrinking. */
static void agrees_with_a_plain_array(void **state)
{
	enum { PIDS = 5000, STEPS = 200000 };
	static uint64_t model[PIDS];
	struct process_table *table = *state;
	size_t live = 0, most = 0;
	uint64_t random = 88172645463325252u;

	for (size_t step = 1; step <= STEPS; step++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		uint32_t pid = (uint32_t)(random % (PIDS - 1)) + 1;
		/* First it mostly fills, then it mostly empties. */
		bool put = (random >> 40) % 100 < (step < STEPS / 2 ? 80u : 20u);
		struct process_entry *entry = process_table_find(table, pid * 64);

		assert_int_equal(entry != NULL, model[pid] != 0);
		if (entry)
			assert_int_equal(entry->process->start_boot_ns, model[pid]);
		if (put) {
			live += !model[pid];
			model[pid] = step;
			assert_non_null(process_table_put(table, make(pid * 64, step)));
		} else if (entry) {
			live--;
			model[pid] = 0;
			process_table_remove(table, entry);
		}
		assert_int_equal(table->count, live);
		if (live > most)
			most = live;
	}
	assert_true(most > PIDS / 2);
	for (uint32_t pid = 1; pid < PIDS; pid++)
		if (model[pid])
			process_table_remove(table, process_table_find(table, pid * 64));
	assert_int_equal(table->count, 0);
	assert_true(table->capacity <= 512); /* it has returned to its size */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(pid_alone_is_no_key),
	    TEST(replaced_by_another_it_leaves_the_tree),
	    TEST(agrees_with_a_plain_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
