/* SPDX-License-Identifier: MIT */
/* Sets and escapes of regular expressions. */
#include "pattern_compiler.h"

#include <string.h>

static void add_range(struct pattern_compiler *compiler, uint32_t first, uint32_t last)
{
	struct pattern_regex *regex = compiler->regex;
	struct pattern_range *ranges =
	    pattern_grow(compiler, regex->ranges, &compiler->range_capacity, regex->range_count + 1,
			 sizeof *ranges);

	if (ranges == NULL)
		return;
	regex->ranges = ranges;
	ranges[regex->range_count++] = (struct pattern_range){first, last};
}

/* Adds the characters that `pairs` names as first and last, or all others. */
static void add_pairs(struct pattern_compiler *compiler, const char *pairs, bool complement)
{
	uint32_t next = 0;

	for (; *pairs != 0; pairs += 2) {
		uint32_t first = (unsigned char)pairs[0];
		uint32_t last = (unsigned char)pairs[1];

		if (!complement)
			add_range(compiler, first, last);
		else if (first > next)
			add_range(compiler, next, first - 1);
		next = last + 1;
	}
	if (complement)
		add_range(compiler, next, PATTERN_BYTE + 0xff);
}

/* Pairs in rising order. \w and [:word:] are ASCII only, as all classes. */
static const char *class_of_letter(char letter)
{
	switch (letter) {
	case 'd':
	case 'D':
		return "09";
	case 'w':
	case 'W':
		return "09AZ__az";
	case 's':
	case 'S':
		return "\t\r  ";
	default:
		return NULL;
	}
}

static const char *class_of_name(const char *name, size_t length)
{
	static const struct {
		const char *name;
		const char *pairs;
	} classes[] = {
	    {"alpha", "AZaz"},
	    {"digit", "09"},
	    {"alnum", "09AZaz"},
	    {"upper", "AZ"},
	    {"lower", "az"},
	    {"space", "\t\r  "},
	    {"blank", "\t\t  "},
	    {"punct", "!/:@[`{~"},
	    {"print", " ~"},
	    {"graph", "!~"},
	    {"cntrl", "\x01\x1f\x7f\x7f"},
	    {"xdigit", "09AFaf"},
	    {"word", "09AZ__az"},
	};

	for (size_t at = 0; at < sizeof classes / sizeof classes[0]; at++) {
		if (strlen(classes[at].name) == length &&
		    memcmp(classes[at].name, name, length) == 0)
			return classes[at].pairs;
	}
	return NULL;
}

static struct pattern_set *begin_set(struct pattern_compiler *compiler)
{
	struct pattern_regex *regex = compiler->regex;
	struct pattern_set *sets = pattern_grow(compiler, regex->sets, &compiler->set_capacity,
						regex->set_count + 1, sizeof *sets);

	if (sets == NULL)
		return NULL;
	regex->sets = sets;
	sets[regex->set_count] = (struct pattern_set){.first_range = regex->range_count};
	return &sets[regex->set_count++];
}

static void end_set(struct pattern_compiler *compiler, struct pattern_set *set)
{
	set->range_count = compiler->regex->range_count - set->first_range;
	pattern_emit(compiler, PATTERN_SET, (uint32_t)(compiler->regex->set_count - 1));
}

static int hex_digit(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10;
	return -1;
}

/* After \x; bytes beyond ASCII stand for themselves. */
static uint32_t parse_hex(struct pattern_compiler *compiler)
{
	uint32_t byte = 0;

	for (int digits = 0; digits < 2; digits++) {
		int digit = pattern_at_end(compiler) ? -1 : hex_digit(compiler->text[compiler->at]);

		if (digit < 0) {
			pattern_fail(compiler, compiler->at, "\\x needs two hexadecimal digits");
			return 0;
		}
		byte = byte * 16 + (uint32_t)digit;
		compiler->at++;
	}
	return byte < 0x80 ? byte : PATTERN_BYTE + byte;
}

static bool is_letter_or_digit(uint32_t character)
{
	return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'z') ||
	       (character >= 'A' && character <= 'Z');
}

/* The character that an escape means; the backslash has been taken. */
static uint32_t parse_escape(struct pattern_compiler *compiler)
{
	size_t place = compiler->at - 1;
	uint32_t character;

	if (pattern_at_end(compiler)) {
		pattern_fail(compiler, place, "a backslash ends the pattern");
		return 0;
	}
	character = pattern_take(compiler);
	switch (character) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'f':
		return '\f';
	case 'v':
		return '\v';
	case 'x':
		return parse_hex(compiler);
	default:
		break;
	}
	if (character >= '1' && character <= '9')
		pattern_fail(compiler, place, "references back are not possible");
	else if (is_letter_or_digit(character))
		pattern_fail(compiler, place, "no such escape");
	return character;
}

/* [:alpha:] within a set; false: it is none. */
static bool parse_class(struct pattern_compiler *compiler)
{
	const char *name;
	const char *pairs;
	const char *end;
	size_t left;

	if (!pattern_starts_with(compiler, "[:"))
		return false;
	name = compiler->text + compiler->at + 2;
	left = compiler->size - compiler->at - 2;
	end = left > 0 ? memchr(name, ':', left) : NULL;
	if (end == NULL || (size_t)(end - name) + 1 >= left || end[1] != ']')
		return false;
	pairs = class_of_name(name, (size_t)(end - name));
	if (pairs == NULL)
		pattern_fail(compiler, compiler->at, "no such class of characters");
	else
		add_pairs(compiler, pairs, false);
	compiler->at = (size_t)(end - compiler->text) + 2;
	return true;
}

static uint32_t parse_set_character(struct pattern_compiler *compiler)
{
	uint32_t character = pattern_take(compiler);

	return character == '\\' ? parse_escape(compiler) : character;
}

static void parse_set_item(struct pattern_compiler *compiler)
{
	size_t place = compiler->at;
	uint32_t first;
	uint32_t last;

	if (parse_class(compiler))
		return;
	if (compiler->text[place] == '\\' && place + 1 < compiler->size &&
	    class_of_letter(compiler->text[place + 1]) != NULL) {
		char letter = compiler->text[place + 1];

		add_pairs(compiler, class_of_letter(letter), letter < 'a');
		compiler->at += 2;
		return;
	}
	first = parse_set_character(compiler);
	last = first;
	if (pattern_is_next(compiler, '-') && compiler->at + 1 < compiler->size &&
	    compiler->text[compiler->at + 1] != ']') {
		compiler->at++;
		last = parse_set_character(compiler);
	}
	if (last < first)
		pattern_fail(compiler, place, "the range ends before it begins");
	add_range(compiler, first, last);
}

/* The bracket has been taken. */
void pattern_parse_set(struct pattern_compiler *compiler)
{
	size_t place = compiler->at - 1;
	struct pattern_set *set = begin_set(compiler);
	bool first = true;

	if (set == NULL)
		return;
	if (pattern_is_next(compiler, '^')) {
		set->negated = true;
		compiler->at++;
	}
	while (!pattern_at_end(compiler) && (first || !pattern_is_next(compiler, ']'))) {
		parse_set_item(compiler);
		first = false;
	}
	if (pattern_at_end(compiler)) {
		pattern_fail(compiler, place, "this [ is not closed");
		return;
	}
	compiler->at++;
	end_set(compiler, set);
}

static bool emit_assertion(struct pattern_compiler *compiler, char letter)
{
	enum pattern_assertion assertion;

	switch (letter) {
	case 'b':
		assertion = PATTERN_BOUNDARY;
		break;
	case 'B':
		assertion = PATTERN_NO_BOUNDARY;
		break;
	case '<':
		assertion = PATTERN_WORD_BEGIN;
		break;
	case '>':
		assertion = PATTERN_WORD_END;
		break;
	default:
		return false;
	}
	pattern_emit(compiler, PATTERN_ASSERT, assertion);
	return true;
}

void pattern_emit_character(struct pattern_compiler *compiler, uint32_t character)
{
	pattern_emit(compiler, PATTERN_CHARACTER,
		     compiler->regex->ignore_case ? pattern_lower(character) : character);
}

/* The backslash has been taken. */
void pattern_parse_escaped(struct pattern_compiler *compiler)
{
	char letter = pattern_at_end(compiler) ? 0 : compiler->text[compiler->at];
	const char *class = class_of_letter(letter);

	if (class != NULL) {
		struct pattern_set *set = begin_set(compiler);

		compiler->at++;
		if (set == NULL)
			return;
		set->negated = letter < 'a';
		add_pairs(compiler, class, false);
		end_set(compiler, set);
	} else if (emit_assertion(compiler, letter)) {
		compiler->at++;
	} else {
		pattern_emit_character(compiler, parse_escape(compiler));
	}
}
