/* SPDX-License-Identifier: MIT */
/*
 * Match expressions: the parsing half, by recursive descent.
 *
 *	expression = conjunction { ("||" | "or") conjunction }
 *	conjunction = term { ("&&" | "and") term }
 *	term = { "!" | "not" } ( "(" expression ")" | test )
 *	test = field [ operator value | ("in" | "not in") "(" value { "," value } ")" ]
 */
#include "filter_program.h"

#include "error.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX  100 /* of parentheses */
#define SIZE_LIMIT 65536

/* The kinds of events for which an expression can be true, and for which it can be false. */
struct outcome {
	uint32_t true_kinds;
	uint32_t false_kinds;
};

static const struct outcome no_outcome = {0, 0};

void filter_skip_spaces(struct filter_parser *parser)
{
	while (parser->at < parser->size && parser->text[parser->at] != 0 &&
	       strchr(" \t\r\n", parser->text[parser->at]) != NULL)
		parser->at++;
}

static bool is_word_character(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') || character == '_' || character == '.';
}

size_t filter_word_length(const struct filter_parser *parser)
{
	size_t length = 0;

	while (parser->at + length < parser->size &&
	       is_word_character(parser->text[parser->at + length]))
		length++;
	return length;
}

bool filter_is_word(const struct filter_parser *parser, const char *word)
{
	size_t length = filter_word_length(parser);

	return length == strlen(word) && memcmp(parser->text + parser->at, word, length) == 0;
}

/* Takes a sign or the word that stands for it, after spaces. */
static bool accept(struct filter_parser *parser, const char *sign, const char *word)
{
	size_t length = strlen(sign);

	filter_skip_spaces(parser);
	if (parser->error != 0)
		return false;
	if (parser->size - parser->at >= length &&
	    memcmp(parser->text + parser->at, sign, length) == 0) {
		parser->at += length;
		return true;
	}
	if (word != NULL && filter_is_word(parser, word)) {
		parser->at += strlen(word);
		return true;
	}
	return false;
}

/* Makes room for one more element; false: it failed. */
static bool grow(struct filter_parser *parser, void **array, size_t *capacity, size_t count,
		 size_t size)
{
	size_t wanted = *capacity > 0 ? *capacity * 2 : 8;
	void *grown;

	if (count < *capacity)
		return true;
	grown = realloc(*array, wanted * size);
	if (grown == NULL) {
		filter_fail_memory(parser);
		return false;
	}
	*array = grown;
	*capacity = wanted;
	return true;
}

static void emit(struct filter_parser *parser, enum filter_step_kind kind, size_t operand)
{
	struct filter *filter = parser->filter;
	void *steps = filter->steps;

	if (parser->error != 0 || !grow(parser, &steps, &filter->step_capacity, filter->step_count,
					sizeof *filter->steps))
		return;
	filter->steps = steps;
	filter->steps[filter->step_count++] = (struct filter_step){kind, operand};
}

/* The kinds for which `kind OPERATOR value` holds: it is simply tried. */
static uint32_t kinds_of_test(const struct filter_test *test)
{
	uint32_t kinds = 0;

	for (int kind = PROCOBSRV_EXISTING; kind <= PROCOBSRV_LOST; kind++) {
		struct procobsrv_event event = {.kind = (enum procobsrv_kind)kind};

		if (filter_test_matches(test, &event))
			kinds |= PROCOBSRV_KIND_BIT(kind);
	}
	return kinds;
}

static struct outcome outcome_of(const struct filter_test *test)
{
	if (test->field->type == FIELD_KIND) {
		uint32_t kinds = kinds_of_test(test);

		return (struct outcome){kinds, PROCOBSRV_KINDS_ALL & ~kinds};
	}
	return (struct outcome){field_tables[test->section].kinds, PROCOBSRV_KINDS_ALL};
}

static struct outcome parse_test(struct filter_parser *parser)
{
	struct filter *filter = parser->filter;
	struct filter_test test;
	void *tests = filter->tests;

	if (!filter_parse_test(parser, &test))
		return no_outcome;
	if (!grow(parser, &tests, &filter->test_capacity, filter->test_count,
		  sizeof *filter->tests)) {
		filter_free_test(&test);
		return no_outcome;
	}
	filter->tests = tests;
	filter->tests[filter->test_count] = test;
	emit(parser, FILTER_TEST, filter->test_count++);
	return outcome_of(&test);
}

static struct outcome parse_expression(struct filter_parser *parser);

static struct outcome parse_parentheses(struct filter_parser *parser)
{
	size_t place = parser->at - 1;
	struct outcome outcome;

	if (++parser->depth > DEPTH_MAX) {
		filter_fail(parser, place, "too many parentheses within each other");
		return no_outcome;
	}
	outcome = parse_expression(parser);
	parser->depth--;
	if (parser->error == 0 && !accept(parser, ")", NULL)) {
		if (parser->at >= parser->size)
			filter_fail(parser, place, "this ( is not closed");
		else
			filter_fail(parser, parser->at, "and, or, or ) is expected here");
	}
	return outcome;
}

static struct outcome parse_term(struct filter_parser *parser)
{
	struct outcome outcome;
	bool negated = false;

	while (accept(parser, "!", "not"))
		negated = !negated;
	if (accept(parser, "(", NULL))
		outcome = parse_parentheses(parser);
	else
		outcome = parse_test(parser);
	if (!negated)
		return outcome;
	emit(parser, FILTER_NOT, 0);
	return (struct outcome){outcome.false_kinds, outcome.true_kinds};
}

#define NO_JUMP SIZE_MAX

/* A jump whose target comes later: until then it bears the number of the one before it. */
static size_t emit_jump(struct filter_parser *parser, enum filter_step_kind kind, size_t before)
{
	emit(parser, kind, before);
	return parser->filter->step_count - 1;
}

static void land_jumps(struct filter_parser *parser, size_t jump)
{
	struct filter *filter = parser->filter;

	while (parser->error == 0 && jump != NO_JUMP) {
		size_t before = filter->steps[jump].operand;

		filter->steps[jump].operand = filter->step_count;
		jump = before;
	}
}

static struct outcome parse_conjunction(struct filter_parser *parser)
{
	struct outcome outcome = parse_term(parser);
	size_t jump = NO_JUMP;

	while (accept(parser, "&&", "and")) {
		jump = emit_jump(parser, FILTER_JUMP_IF_FALSE, jump);

		struct outcome next = parse_term(parser);

		outcome.true_kinds &= next.true_kinds;
		outcome.false_kinds |= next.false_kinds;
	}
	land_jumps(parser, jump);
	return outcome;
}

static struct outcome parse_expression(struct filter_parser *parser)
{
	struct outcome outcome = parse_conjunction(parser);
	size_t jump = NO_JUMP;

	while (accept(parser, "||", "or")) {
		jump = emit_jump(parser, FILTER_JUMP_IF_TRUE, jump);

		struct outcome next = parse_conjunction(parser);

		outcome.true_kinds |= next.true_kinds;
		outcome.false_kinds &= next.false_kinds;
	}
	land_jumps(parser, jump);
	return outcome;
}

static void parse(struct filter_parser *parser)
{
	struct outcome outcome;

	filter_skip_spaces(parser);
	if (parser->at >= parser->size) {
		/* There is no place to show. */
		parser->error =
		    error_set(PROCOBSRV_ERROR_EXPRESSION, "the match expression is empty");
		return;
	}
	outcome = parse_expression(parser);
	filter_skip_spaces(parser);
	if (parser->at < parser->size) {
		if (parser->text[parser->at] == ')')
			filter_fail(parser, parser->at, "this ) closes nothing");
		else
			filter_fail(parser, parser->at, "and, or, or the end is expected here");
	}
	parser->filter->kinds = outcome.true_kinds;
}

int filter_compile(const char *expression, struct filter **filter)
{
	struct filter_parser parser = {.text = expression};

	if (expression == NULL || filter == NULL)
		return error_set(PROCOBSRV_ERROR_ARGUMENT,
				 "cannot compile a match expression: there is none");
	parser.size = strlen(expression);
	if (parser.size > SIZE_LIMIT)
		return error_set(PROCOBSRV_ERROR_EXPRESSION,
				 "the match expression has %zu bytes; at most %d are possible",
				 parser.size, SIZE_LIMIT);
	parser.filter = calloc(1, sizeof *parser.filter);
	parser.scratch = malloc(parser.size + 1);
	if (parser.filter != NULL && parser.scratch != NULL)
		parse(&parser);
	else
		filter_fail_memory(&parser);
	free(parser.scratch);
	if (parser.error != 0) {
		filter_free(parser.filter);
		return parser.error;
	}
	*filter = parser.filter;
	return 0;
}
