/* SPDX-License-Identifier: MIT */
/* One comparison of a match expression: field, operator, value. */
#include "filter_program.h"

#include <stdlib.h>
#include <string.h>

static bool is_next(const struct filter_parser *parser, const char *text)
{
	size_t length = strlen(text);

	return parser->size - parser->at >= length &&
	       memcmp(parser->text + parser->at, text, length) == 0;
}

static void fail_unknown_field(struct filter_parser *parser, size_t place, size_t length)
{
	char quote[FILTER_QUOTE_SIZE];
	const char *nearest = field_nearest(parser->text + place, length);

	filter_quote(quote, parser->text + place, length);
	if (nearest != NULL)
		filter_fail(parser, place, "no field is named %s; did you mean %s?", quote,
			    nearest);
	else
		filter_fail(parser, place, "no field is named %s", quote);
}

static bool parse_field(struct filter_parser *parser, struct filter_test *test)
{
	size_t place = parser->at;
	size_t length = filter_word_length(parser);

	if (length == 0) {
		filter_fail(parser, place, "the name of a field is expected here");
		return false;
	}
	if (!field_find(parser->text + place, length, &test->section, &test->field)) {
		fail_unknown_field(parser, place, length);
		return false;
	}
	parser->at += length;
	return true;
}

/* "in", "not in" and the signs; FILTER_IS_TRUE if there is none. */
static enum filter_operator parse_operator(struct filter_parser *parser)
{
	static const struct {
		const char *text;
		enum filter_operator operator;
	} operators[] = {
	    {"==", FILTER_EQUAL},	  {"!=", FILTER_NOT_EQUAL}, {"=~", FILTER_REGEX},
	    {"<=", FILTER_LESS_OR_EQUAL}, {"<", FILTER_LESS},	    {">=", FILTER_GREATER_OR_EQUAL},
	    {"~", FILTER_GLOB},		  {">", FILTER_GREATER},
	};
	size_t place;

	filter_skip_spaces(parser);
	place = parser->at;
	for (size_t at = 0; at < sizeof operators / sizeof operators[0]; at++) {
		if (is_next(parser, operators[at].text)) {
			parser->at += strlen(operators[at].text);
			return operators[at].operator;
		}
	}
	if (filter_is_word(parser, "in")) {
		parser->at += 2;
		return FILTER_IN;
	}
	if (filter_is_word(parser, "not")) {
		parser->at += 3;
		filter_skip_spaces(parser);
		if (filter_is_word(parser, "in")) {
			parser->at += 2;
			return FILTER_NOT_IN;
		}
		filter_fail(parser, place, "an operator is expected here (and, or, not in)");
	}
	if (is_next(parser, "="))
		filter_fail(parser, place, "a single = compares nothing; write ==");
	else if (is_next(parser, "!~"))
		filter_fail(parser, place, "there is no !~; write !(field ~ value)");
	return FILTER_IS_TRUE;
}

static bool add_value(struct filter_parser *parser, struct filter_test *test)
{
	size_t count = test->value_count;

	/* Room doubles whenever the count is a power of two. */
	if ((count & (count - 1)) == 0) {
		struct filter_value *values =
		    realloc(test->values, (count > 0 ? count * 2 : 1) * sizeof *values);

		if (values == NULL) {
			filter_fail_memory(parser);
			return false;
		}
		test->values = values;
	}
	if (!filter_parse_value(parser, &test->values[count]))
		return false;
	test->value_count++;
	return true;
}

/* Whether what stands at a place is a kind, where the field is the kind. */
static void check_kind(struct filter_parser *parser, size_t place, const struct filter_value *value)
{
	char quote[FILTER_QUOTE_SIZE];

	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++) {
		if (strcmp(value->text, procobsrv_kind_name((enum procobsrv_kind)kind)) == 0)
			return;
	}
	filter_fail(parser, place,
		    "no kind is named %s; there are existing, start, exec, exec_failed, exit, lost",
		    filter_quote(quote, value->text, value->size));
}

/* A number field takes numbers, or the name of another number field. */
static void check_number(struct filter_parser *parser, size_t place, struct filter_test *test,
			 const struct filter_value *value)
{
	char quote[FILTER_QUOTE_SIZE];

	if (value->is_number)
		return;
	if (test->operator!= FILTER_IN && test->operator!= FILTER_NOT_IN &&
	    field_find(value->text, value->size, &test->other_section, &test->other_field) &&
	    field_value_type(test->other_field) == FIELD_VALUE_NUMBER)
		return;
	filter_fail(parser, place, "%s%s is a number, %s is none",
		    field_tables[test->section].prefix, test->field->name,
		    filter_quote(quote, value->text, value->size));
}

static bool is_pattern(enum filter_operator operator)
{
	return operator== FILTER_GLOB || operator== FILTER_REGEX;
}

static bool is_ordering(enum filter_operator operator)
{
	return operator>= FILTER_LESS && operator<= FILTER_GREATER_OR_EQUAL;
}

static bool parse_one_value(struct filter_parser *parser, struct filter_test *test)
{
	size_t place;

	filter_skip_spaces(parser);
	place = parser->at;
	if (!add_value(parser, test))
		return false;
	if (is_pattern(test->operator))
		return true;

	const struct filter_value *value = &test->values[test->value_count - 1];

	if (test->field->type == FIELD_KIND && !is_ordering(test->operator))
		check_kind(parser, place, value);
	if (field_value_type(test->field) == FIELD_VALUE_NUMBER)
		check_number(parser, place, test, value);
	return parser->error == 0;
}

/* ("a", "b") */
static bool parse_list(struct filter_parser *parser, struct filter_test *test)
{
	filter_skip_spaces(parser);
	if (!is_next(parser, "(")) {
		filter_fail(parser, parser->at, "a list in parentheses is expected here");
		return false;
	}
	do {
		parser->at++;
		if (!parse_one_value(parser, test))
			return false;
		filter_skip_spaces(parser);
	} while (is_next(parser, ","));
	if (!is_next(parser, ")")) {
		filter_fail(parser, parser->at, "a comma or the list's ) is expected here");
		return false;
	}
	parser->at++;
	return true;
}

/* After the name of a boolean: nothing, or == or != with true or false. */
static bool parse_boolean(struct filter_parser *parser, struct filter_test *test, size_t place)
{
	enum filter_operator operator= test->operator;
	bool wanted;

	if (operator== FILTER_IS_TRUE)
		return true;
	if (operator!= FILTER_EQUAL && operator!= FILTER_NOT_EQUAL) {
		filter_fail(parser, place, "%s%s is true or false: only == and != compare it",
			    field_tables[test->section].prefix, test->field->name);
		return false;
	}
	filter_skip_spaces(parser);
	place = parser->at;
	if (!add_value(parser, test))
		return false;
	wanted = strcmp(test->values[0].text, "true") == 0;
	if (!wanted && strcmp(test->values[0].text, "false") != 0) {
		filter_fail(parser, place, "true or false is expected here");
		return false;
	}
	/* What is left is whether the field has to be true. */
	test->operator= wanted ==(operator== FILTER_EQUAL) ? FILTER_IS_TRUE : FILTER_NOT_EQUAL;
	return true;
}

static bool compile_regex(struct filter_parser *parser, struct filter_test *test, size_t place)
{
	struct pattern_error error;

	if (pattern_regex_compile(test->values[0].text, test->values[0].size, &test->regex, &error))
		return true;
	if (error.what == NULL)
		filter_fail_memory(parser);
	else
		filter_fail(parser, place, "%s (byte %zu of the pattern)", error.what,
			    error.offset + 1);
	return false;
}

static bool parse_rest(struct filter_parser *parser, struct filter_test *test)
{
	enum field_value_type type = field_value_type(test->field);
	size_t name_at = parser->at;
	size_t place;

	filter_skip_spaces(parser);
	place = parser->at;
	test->operator= parse_operator(parser);
	if (parser->error != 0)
		return false;
	if (type == FIELD_VALUE_BOOLEAN)
		return parse_boolean(parser, test, place);
	if (test->operator== FILTER_IS_TRUE) {
		filter_fail(parser, name_at,
			    "an operator is expected here (== != ~ =~ < > in): "
			    "only true-or-false fields stand alone");
		return false;
	}
	if (type == FIELD_VALUE_TEXTS && is_ordering(test->operator)) {
		filter_fail(parser, place, "%s%s is a list: it has no order",
			    field_tables[test->section].prefix, test->field->name);
		return false;
	}
	if (test->operator== FILTER_IN || test->operator== FILTER_NOT_IN)
		return parse_list(parser, test);
	filter_skip_spaces(parser);
	place = parser->at;
	if (!parse_one_value(parser, test))
		return false;
	return test->operator!= FILTER_REGEX || compile_regex(parser, test, place);
}

bool filter_parse_test(struct filter_parser *parser, struct filter_test *test)
{
	struct filter_test parsed = {0};

	if (!parse_field(parser, &parsed) || !parse_rest(parser, &parsed)) {
		filter_free_test(&parsed);
		return false;
	}
	*test = parsed;
	return true;
}
