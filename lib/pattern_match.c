/* SPDX-License-Identifier: MIT */
/*
 * Runs a compiled regular expression over a text by following all possibilities at once (Thompson's
 * construction): each character is looked at once for each instruction, and never again.
 */
#include "pattern_program.h"

#include <string.h>

static bool is_in_set(const struct pattern_regex *regex, const struct pattern_set *set,
		      uint32_t character)
{
	const struct pattern_range *range = regex->ranges + set->first_range;

	for (size_t at = 0; at < set->range_count; at++) {
		if (character >= range[at].first && character <= range[at].last)
			return true;
	}
	return false;
}

bool pattern_takes(const struct pattern_regex *regex, const struct pattern_instruction *instruction,
		   uint32_t character)
{
	const struct pattern_set *set;
	bool found;

	switch (instruction->operation) {
	case PATTERN_CHARACTER:
		return instruction->value ==
		       (regex->ignore_case ? pattern_lower(character) : character);
	case PATTERN_ANY:
		return true;
	case PATTERN_SET:
		set = &regex->sets[instruction->value];
		found = is_in_set(regex, set, character);
		if (!found && regex->ignore_case && character < 0x80)
			found = is_in_set(regex, set, pattern_lower(character)) ||
				(character >= 'a' && character <= 'z' &&
				 is_in_set(regex, set, character - ('a' - 'A')));
		return found != set->negated;
	default:
		return false;
	}
}

static bool is_word(uint32_t character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') || character == '_';
}

static bool holds(enum pattern_assertion assertion, uint32_t before, uint32_t after)
{
	switch (assertion) {
	case PATTERN_BEGIN:
		return before == PATTERN_NONE;
	case PATTERN_END:
		return after == PATTERN_NONE;
	case PATTERN_BOUNDARY:
		return is_word(before) != is_word(after);
	case PATTERN_NO_BOUNDARY:
		return is_word(before) == is_word(after);
	case PATTERN_WORD_BEGIN:
		return !is_word(before) && is_word(after);
	case PATTERN_WORD_END:
		return is_word(before) && !is_word(after);
	}
	return false;
}

static size_t visit(struct pattern_regex *regex, size_t depth, size_t instruction)
{
	if (regex->visited[instruction] == regex->step)
		return depth;
	regex->visited[instruction] = regex->step;
	regex->stack[depth] = (uint32_t)instruction;
	return depth + 1;
}

/* A step number that no instruction was visited in. */
static void next_step(struct pattern_regex *regex)
{
	if (++regex->step == 0) {
		memset(regex->visited, 0, regex->length * sizeof *regex->visited);
		regex->step = 1;
	}
}

/*
 * Follows everything that waits, and a new attempt from here, through the instructions that consume
 * nothing; those that take `character` then wait behind it. True: it matches.
 */
static bool advance(struct pattern_regex *regex, uint32_t character)
{
	size_t depth = 0;
	size_t count = 0;

	next_step(regex);
	for (size_t at = 0; at < regex->waiting_count; at++)
		depth = visit(regex, depth, regex->waiting[at]);
	depth = visit(regex, depth, 0);
	while (depth > 0) {
		size_t at = regex->stack[--depth];
		const struct pattern_instruction *instruction = &regex->program[at];

		switch ((enum pattern_operation)instruction->operation) {
		case PATTERN_CHARACTER:
		case PATTERN_ANY:
		case PATTERN_SET:
			if (character != PATTERN_NONE &&
			    pattern_takes(regex, instruction, character))
				regex->next[count++] = (uint32_t)at + 1;
			break;
		case PATTERN_SPLIT:
			depth = visit(regex, depth, at + 1);
			depth = visit(regex, depth, at + (size_t)(ptrdiff_t)instruction->jump);
			break;
		case PATTERN_JUMP:
			depth = visit(regex, depth, at + (size_t)(ptrdiff_t)instruction->jump);
			break;
		case PATTERN_ASSERT:
			if (holds((enum pattern_assertion)instruction->value, regex->previous,
				  character))
				depth = visit(regex, depth, at + 1);
			break;
		case PATTERN_MATCH:
			return true;
		}
	}

	uint32_t *swap = regex->waiting;

	regex->waiting = regex->next;
	regex->next = swap;
	regex->waiting_count = count;
	regex->previous = character;
	return false;
}

void pattern_regex_begin(struct pattern_regex *regex)
{
	regex->waiting_count = 0;
	regex->previous = PATTERN_NONE;
	regex->matched = false;
}

/* Passes over bytes with which no match can begin, while none is under way. */
static size_t skip(struct pattern_regex *regex, const char *text, size_t size)
{
	size_t at = 0;

	if (regex->anchored && regex->previous != PATTERN_NONE)
		return size;
	while (at < size && !regex->first[(unsigned char)text[at]])
		at++;
	if (at > 0)
		regex->previous = (unsigned char)text[at - 1];
	return at;
}

bool pattern_regex_feed(struct pattern_regex *regex, const char *text, size_t size)
{
	size_t at = 0;

	while (!regex->matched) {
		uint32_t character;

		if (regex->waiting_count == 0)
			at += skip(regex, text + at, size - at);
		if (at >= size)
			break;
		at += pattern_decode(text + at, size - at, &character);
		regex->matched = advance(regex, character);
	}
	return regex->matched;
}

bool pattern_regex_end(struct pattern_regex *regex)
{
	return regex->matched || advance(regex, PATTERN_NONE);
}

bool pattern_regex_match(struct pattern_regex *regex, const char *text, size_t size)
{
	pattern_regex_begin(regex);
	return pattern_regex_feed(regex, text, size) || pattern_regex_end(regex);
}
