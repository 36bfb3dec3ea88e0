/* SPDX-License-Identifier: MIT */
/* The tokens that the resident reader acknowledges with. */
#include "harness.h"
#include "passed_log.h"

#include <stdlib.h>
#include <string.h>

#define STREAM	 77
#define BATCHES	 400
#define PER_MOST 3000 /* records of a batch */

static uint32_t state = 1;

static uint32_t random_below(uint32_t bound)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % bound;
}

static void pass(struct ioctl_token *token, const struct record_header *header)
{
	token->position += header->size;
	token->passed[RECORD_LOST_INDEX(header->kind)]++;
}

static void finds_every_place(void **unused)
{
	struct passed_log log = {0};
	struct ioctl_token token = {.stream = STREAM, .position = 4096, .passed = {5, 0, 0, 3}};
	struct ioctl_token found, *tokens = calloc((size_t)BATCHES * PER_MOST, sizeof(*tokens));
	size_t count = 0, acknowledged = 0;

	(void)unused;
	assert_non_null(tokens);
	for (int batch = 0; batch < BATCHES; batch++) {
		/* Now and then records were evicted in between. */
		if (random_below(10) == 0) {
			token.position += 8 * (1 + random_below(100000));
			token.passed[random_below(RECORD_LOST_KINDS)] += 1 + random_below(1000);
		}
		assert_true(passed_log_begin(&log, &token));
		for (uint32_t left = 1 + random_below(batch % 7 ? 4 : PER_MOST); left; left--) {
			struct record_header header = {
			    .size = random_below(50) ? 200 + 8 * random_below(50) : RECORD_SIZE_MAX,
			    .kind = random_below(2) ? RECORD_START : RECORD_EXIT,
			};
			assert_true(passed_log_add(&log, &header));
			pass(&token, &header);
			tokens[count++] = token;
		}
		if (random_below(3))
			continue;
		acknowledged += random_below((uint32_t)(count - acknowledged));
		assert_true(passed_log_take(&log, tokens[acknowledged].position, &found));
		assert_memory_equal(&found, &tokens[acknowledged], sizeof(found));
		/* Twice is no harm; what lies before is forgotten; nothing lies within a record. */
		assert_true(passed_log_take(&log, tokens[acknowledged].position, &found));
		assert_false(passed_log_take(&log, tokens[acknowledged].position + 8, &found));
		if (acknowledged)
			assert_false(
			    passed_log_take(&log, tokens[acknowledged - 1].position, &found));
	}
	for (; acknowledged < count; acknowledged++) {
		assert_true(passed_log_take(&log, tokens[acknowledged].position, &found));
		assert_memory_equal(&found, &tokens[acknowledged], sizeof(found));
	}
	assert_false(passed_log_take(&log, token.position + 8, &found));
	/* What was acknowledged takes no memory for long. */
	assert_true(log.steps.size < 3 * PER_MOST * sizeof(uint16_t));
	passed_log_free(&log);
	free(tokens);
}

static void knows_nothing_at_first(void **unused)
{
	struct passed_log log = {0};
	struct ioctl_token token = {.stream = STREAM, .position = 800};

	(void)unused;
	assert_false(passed_log_take(&log, 800, &token));
	assert_true(passed_log_begin(&log, &token));
	assert_true(passed_log_take(&log, 800, &token));
	assert_int_equal(token.position, 800);
	assert_false(passed_log_take(&log, 792, &token));
	passed_log_free(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_every_place),
	    cmocka_unit_test(knows_nothing_at_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
