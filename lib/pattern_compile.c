/* SPDX-License-Identifier: MIT */
/*
 * Compiles regular expressions by recursive descent straight into instructions. What an
 * instruction refers to is relative, so that a part that turns out to be repeated or to be one of
 * several alternatives can be moved and copied.
 */
#include "pattern_compiler.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX  100 /* of parentheses */
#define REPEAT_MAX 1000

static void parse_alternatives(struct pattern_compiler *compiler);

/* The parenthesis has been taken. */
static void parse_group(struct pattern_compiler *compiler)
{
	size_t place = compiler->at - 1;

	if (pattern_starts_with(compiler, "?:")) {
		compiler->at += 2;
	} else if (pattern_is_next(compiler, '?')) {
		pattern_fail(compiler, place, "groups of this kind are not possible");
		return;
	}
	if (++compiler->depth > DEPTH_MAX) {
		pattern_fail(compiler, place, "too many parentheses within each other");
		return;
	}
	parse_alternatives(compiler);
	compiler->depth--;
	if (!pattern_is_next(compiler, ')')) {
		pattern_fail(compiler, place, "this ( is not closed");
		return;
	}
	compiler->at++;
}

static void parse_atom(struct pattern_compiler *compiler)
{
	size_t place = compiler->at;
	uint32_t character = pattern_take(compiler);

	switch (character) {
	case '.':
		pattern_emit(compiler, PATTERN_ANY, 0);
		break;
	case '[':
		pattern_parse_set(compiler);
		break;
	case '(':
		parse_group(compiler);
		break;
	case '^':
		pattern_emit(compiler, PATTERN_ASSERT, PATTERN_BEGIN);
		break;
	case '$':
		pattern_emit(compiler, PATTERN_ASSERT, PATTERN_END);
		break;
	case '\\':
		pattern_parse_escaped(compiler);
		break;
	case '*':
	case '+':
	case '?':
		pattern_fail(compiler, place, "there is nothing to repeat");
		break;
	default:
		pattern_emit_character(compiler, character);
		break;
	}
}

static bool parse_number(struct pattern_compiler *compiler, uint32_t *number)
{
	size_t place = compiler->at;
	uint32_t value = 0;

	while (!pattern_at_end(compiler) && compiler->text[compiler->at] >= '0' &&
	       compiler->text[compiler->at] <= '9') {
		value = value * 10 + (uint32_t)(compiler->text[compiler->at++] - '0');
		if (value > REPEAT_MAX) {
			pattern_fail(compiler, place, "at most 1000 repetitions");
			return false;
		}
	}
	if (compiler->at == place)
		return false;
	*number = value;
	return true;
}

/* {m}, {m,} or {m,n}; false: the brace is no repetition but a character. */
static bool parse_bounds(struct pattern_compiler *compiler, uint32_t *least, uint32_t *most)
{
	size_t place = compiler->at++;

	if (parse_number(compiler, least)) {
		*most = *least;
		if (pattern_is_next(compiler, ',')) {
			compiler->at++;
			if (!parse_number(compiler, most))
				*most = PATTERN_UNBOUNDED;
		}
		if (pattern_is_next(compiler, '}')) {
			compiler->at++;
			if (*most < *least)
				pattern_fail(compiler, place, "the most is less than the least");
			return true;
		}
	}
	compiler->at = place;
	return false;
}

static void parse_repeated(struct pattern_compiler *compiler)
{
	size_t start = compiler->regex->length;
	uint32_t least;
	uint32_t most;

	parse_atom(compiler);
	while (!pattern_at_end(compiler)) {
		char character = compiler->text[compiler->at];

		if (character == '{' && parse_bounds(compiler, &least, &most)) {
			pattern_make_repeat(compiler, start, least, most);
			continue;
		}
		if (character == '*')
			pattern_make_star(compiler, start);
		else if (character == '+')
			pattern_make_plus(compiler, start);
		else if (character == '?')
			pattern_make_optional(compiler, start);
		else
			return;
		compiler->at++;
	}
}

static void parse_sequence(struct pattern_compiler *compiler)
{
	while (!pattern_at_end(compiler) && !pattern_is_next(compiler, '|') &&
	       !pattern_is_next(compiler, ')'))
		parse_repeated(compiler);
}

static void parse_alternatives(struct pattern_compiler *compiler)
{
	struct pattern_regex *regex = compiler->regex;
	const size_t none = SIZE_MAX;
	size_t start = regex->length;
	size_t jump =
	    none; /* the last jump to the end; each bears the distance to the one before */

	parse_sequence(compiler);
	while (pattern_is_next(compiler, '|')) {
		compiler->at++;
		pattern_insert(compiler, start, PATTERN_SPLIT, 0, regex->length + 2);
		pattern_insert(compiler, regex->length, PATTERN_JUMP, 0,
			       jump == none ? regex->length : jump);
		jump = regex->length - 1;
		start = regex->length;
		parse_sequence(compiler);
	}
	while (jump != none && !compiler->failed) {
		struct pattern_instruction *instruction = &regex->program[jump];
		int32_t before = instruction->jump;

		instruction->jump = (int32_t)(regex->length - jump);
		jump = before == 0 ? none : jump + (size_t)(ptrdiff_t)before;
	}
}

/* Which bytes a match can begin with, whatever assertions say. */
static void find_first(struct pattern_regex *regex)
{
	size_t depth = 1;

	regex->anchored = regex->program[0].operation == PATTERN_ASSERT &&
			  regex->program[0].value == PATTERN_BEGIN;
	regex->stack[0] = 0;
	regex->visited[0] = 1;
	while (depth > 0) {
		uint32_t at = regex->stack[--depth];
		const struct pattern_instruction *instruction = &regex->program[at];
		uint32_t targets[2] = {at + 1, at + (uint32_t)instruction->jump};
		bool follows[2] = {instruction->operation == PATTERN_SPLIT ||
				       instruction->operation == PATTERN_ASSERT,
				   instruction->operation == PATTERN_SPLIT ||
				       instruction->operation == PATTERN_JUMP};

		for (int i = 0; i < 2; i++) {
			if (follows[i] && !regex->visited[targets[i]]) {
				regex->visited[targets[i]] = 1;
				regex->stack[depth++] = targets[i];
			}
		}
		if (follows[0] || follows[1])
			continue;
		for (uint32_t byte = 0; byte < 0x80; byte++) {
			if (instruction->operation == PATTERN_MATCH ||
			    pattern_takes(regex, instruction, byte))
				regex->first[byte] = true;
		}
		/* What lies beyond ASCII is not told apart here. */
		if (instruction->operation != PATTERN_CHARACTER || instruction->value >= 0x80)
			memset(regex->first + 0x80, true, 0x80);
	}
	memset(regex->visited, 0, regex->length * sizeof *regex->visited);
}

static bool allocate_lists(struct pattern_regex *regex)
{
	regex->lists = calloc(regex->length * 4, sizeof *regex->lists);
	if (regex->lists == NULL)
		return false;
	regex->waiting = regex->lists;
	regex->next = regex->waiting + regex->length;
	regex->stack = regex->next + regex->length;
	regex->visited = regex->stack + regex->length;
	return true;
}

bool pattern_regex_compile(const char *expression, size_t size, struct pattern_regex **regex,
			   struct pattern_error *error)
{
	struct pattern_compiler compiler = {.text = expression, .size = size};

	compiler.regex = calloc(1, sizeof *compiler.regex);
	if (compiler.regex == NULL) {
		*error = (struct pattern_error){NULL, 0};
		return false;
	}
	if (pattern_starts_with(&compiler, "(?i)")) {
		compiler.regex->ignore_case = true;
		compiler.at += 4;
	}
	parse_alternatives(&compiler);
	if (!pattern_at_end(&compiler))
		pattern_fail(&compiler, compiler.at, "this ) closes nothing");
	pattern_emit(&compiler, PATTERN_MATCH, 0);
	if (!compiler.failed && !allocate_lists(compiler.regex))
		pattern_fail(&compiler, 0, NULL);
	if (compiler.failed) {
		*error = (struct pattern_error){compiler.wrong, compiler.wrong_at};
		pattern_regex_free(compiler.regex);
		return false;
	}
	find_first(compiler.regex);
	*regex = compiler.regex;
	return true;
}

void pattern_regex_free(struct pattern_regex *regex)
{
	if (regex == NULL)
		return;
	free(regex->lists);
	free(regex->program);
	free(regex->ranges);
	free(regex->sets);
	free(regex);
}
