/* SPDX-License-Identifier: MIT */
/* Match expressions: the running half. */
#include "filter_program.h"

#include <stdlib.h>
#include <string.h>

static int compare_numbers(bool a_negative, uint64_t a, bool b_negative, uint64_t b)
{
	if (a_negative != b_negative)
		return a_negative ? -1 : 1;
	if (a == b)
		return 0;
	return (a < b) != a_negative ? -1 : 1;
}

static int compare_texts(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

	if (order != 0)
		return order;
	return (a_size > b_size) - (a_size < b_size);
}

/* Whether an order (negative, 0, positive) is what the operator asks for. */
static bool order_holds(enum filter_operator operator, int order)
{
	switch (operator) {
	case FILTER_EQUAL:
	case FILTER_IN:
		return order == 0;
	case FILTER_NOT_EQUAL:
	case FILTER_NOT_IN:
		return order != 0;
	case FILTER_LESS:
		return order < 0;
	case FILTER_LESS_OR_EQUAL:
		return order <= 0;
	case FILTER_GREATER:
		return order > 0;
	case FILTER_GREATER_OR_EQUAL:
		return order >= 0;
	case FILTER_IS_TRUE:
	case FILTER_GLOB:
	case FILTER_REGEX:
		break;
	}
	return false;
}

static bool text_matches(const struct filter_test *test, const char *text, size_t size)
{
	const struct filter_value *values = test->values;

	switch (test->operator) {
	case FILTER_GLOB:
		return pattern_glob_match(values[0].text, values[0].size, text, size);
	case FILTER_REGEX:
		return pattern_regex_match(test->regex, text, size);
	case FILTER_IN:
	case FILTER_NOT_IN:
		for (size_t at = 0; at < test->value_count; at++) {
			if (compare_texts(text, size, values[at].text, values[at].size) == 0)
				return test->operator== FILTER_IN;
		}
		return test->operator== FILTER_NOT_IN;
	default:
		return order_holds(test->operator,
				   compare_texts(text, size, values[0].text, values[0].size));
	}
}

/* The elements with a space between each, as if they were one text. */
static bool joined_matches(const struct filter_test *test, const struct field_value *value)
{
	pattern_regex_begin(test->regex);
	for (size_t at = 0; at < value->count; at++) {
		const char *text = field_value_text(value, at);

		if ((at > 0 && pattern_regex_feed(test->regex, " ", 1)) ||
		    pattern_regex_feed(test->regex, text, strlen(text)))
			return true;
	}
	return pattern_regex_end(test->regex);
}

/* Any element; with != and "not in" it has to be all of them. */
static bool texts_match(const struct filter_test *test, const struct field_value *value)
{
	bool all = test->operator== FILTER_NOT_EQUAL || test->operator== FILTER_NOT_IN;

	for (size_t at = 0; at < value->count; at++) {
		const char *text = field_value_text(value, at);

		if (text_matches(test, text, strlen(text)) != all)
			return !all;
	}
	if (test->operator== FILTER_REGEX && value->texts != NULL)
		return joined_matches(test, value);
	return all;
}

static bool number_text_matches(const struct filter_test *test, const struct field_value *value)
{
	char text[TEXT_NUMBER_SIZE + 1] = "-";
	char *end = text_write_unsigned(text + value->negative, value->number);

	return text_matches(test, text, (size_t)(end - text));
}

static bool number_matches(const struct filter_test *test, const struct field_value *value,
			   const struct procobsrv_event *event)
{
	const struct filter_value *values = test->values;

	if (test->operator== FILTER_GLOB || test->operator== FILTER_REGEX)
		return number_text_matches(test, value);
	if (test->other_field != NULL) {
		const void *object = field_object(event, test->other_section);
		struct field_value other;

		return object != NULL && field_read(test->other_field, object, &other) &&
		       order_holds(test->operator, compare_numbers(value->negative, value->number,
								   other.negative, other.number));
	}
	if (test->operator!= FILTER_IN && test->operator!= FILTER_NOT_IN)
		return order_holds(test->operator,
				   compare_numbers(value->negative, value->number,
						   values[0].negative, values[0].number));
	for (size_t at = 0; at < test->value_count; at++) {
		if (compare_numbers(value->negative, value->number, values[at].negative,
				    values[at].number) == 0)
			return test->operator== FILTER_IN;
	}
	return test->operator== FILTER_NOT_IN;
}

bool filter_test_matches(const struct filter_test *test, const struct procobsrv_event *event)
{
	const void *object = field_object(event, test->section);
	struct field_value value;

	if (object == NULL || !field_read(test->field, object, &value))
		return false;
	switch (field_value_type(test->field)) {
	case FIELD_VALUE_BOOLEAN:
		/* Compared with true or false: turned into these two operators when parsed. */
		return test->operator== FILTER_IS_TRUE ? value.boolean : !value.boolean;
	case FIELD_VALUE_NUMBER:
		return number_matches(test, &value, event);
	case FIELD_VALUE_TEXT:
		return text_matches(test, value.text, value.size);
	case FIELD_VALUE_TEXTS:
		return texts_match(test, &value);
	}
	return false;
}

bool filter_match(const struct filter *filter, const struct procobsrv_event *event)
{
	bool result = false;

	for (size_t at = 0; at < filter->step_count; at++) {
		const struct filter_step *step = &filter->steps[at];

		switch (step->kind) {
		case FILTER_TEST:
			result = filter_test_matches(&filter->tests[step->operand], event);
			break;
		case FILTER_NOT:
			result = !result;
			break;
		case FILTER_JUMP_IF_TRUE:
		case FILTER_JUMP_IF_FALSE:
			if (result == (step->kind == FILTER_JUMP_IF_TRUE))
				at = step->operand - 1;
			break;
		}
	}
	return result;
}

uint32_t filter_kinds(const struct filter *filter)
{
	return filter->kinds;
}

void filter_free_value(struct filter_value *value)
{
	free(value->text);
	value->text = NULL;
}

void filter_free_test(struct filter_test *test)
{
	for (size_t at = 0; at < test->value_count; at++)
		filter_free_value(&test->values[at]);
	free(test->values);
	pattern_regex_free(test->regex);
}

void filter_free(struct filter *filter)
{
	if (filter == NULL)
		return;
	for (size_t at = 0; at < filter->test_count; at++)
		filter_free_test(&filter->tests[at]);
	free(filter->tests);
	free(filter->steps);
	free(filter);
}

const char *const *filter_fields(void)
{
	return field_names();
}
