/* SPDX-License-Identifier: MIT */
/* Which control groups a reader has been told of. */
#include "cgroup_table.h"
#include "harness.h"
#include "told_groups.h"

static void each_is_told_once(void **state)
{
	static struct told_groups groups;

	(void)state;
	assert_false(told_groups_has(&groups, 77));
	told_groups_add(&groups, 77);
	assert_true(told_groups_has(&groups, 77));
	assert_false(told_groups_has(&groups, 78));
	told_groups_add(&groups, 78);
	assert_true(told_groups_has(&groups, 78));
}

static void other_takes_the_place(void **state)
{
	static struct told_groups groups;
	uint64_t id = 1;

	(void)state;
	told_groups_add(&groups, 77);
	while (told_groups_has(&groups, 77))
		told_groups_add(&groups, 100 + id++);
	assert_true(id <= CGROUP_TABLE_HALF);
	assert_false(told_groups_has(&groups, 77));
}

/* What a table of the reader's size may have forgotten is told again. */
static void never_remembers_longer_than_the_reader(void **state)
{
	static struct told_groups groups;

	(void)state;
	for (uint64_t first = 1; first <= 1000; first++) {
		groups = (struct told_groups){0};
		told_groups_add(&groups, first);
		for (uint64_t other = 0; other < CGROUP_TABLE_HALF; other++)
			told_groups_add(&groups, 1000000);
		assert_false(told_groups_has(&groups, first));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_is_told_once),
	    cmocka_unit_test(other_takes_the_place),
	    cmocka_unit_test(never_remembers_longer_than_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
