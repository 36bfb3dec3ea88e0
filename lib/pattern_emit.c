/* SPDX-License-Identifier: MIT */
/* Writes the instructions of a regular expression. */
#include "pattern_compiler.h"

#include <stdlib.h>
#include <string.h>

void pattern_fail(struct pattern_compiler *compiler, size_t offset, const char *what)
{
	if (compiler->failed)
		return;
	compiler->failed = true;
	compiler->wrong = what;
	compiler->wrong_at = offset;
}

/* An array with room for `count` elements of `size` bytes; NULL: out of memory. */
void *pattern_grow(struct pattern_compiler *compiler, void *array, size_t *capacity, size_t count,
		   size_t size)
{
	size_t wanted = *capacity > 0 ? *capacity : 16;
	void *grown;

	if (count <= *capacity)
		return array;
	while (wanted < count)
		wanted *= 2;
	grown = realloc(array, wanted * size);
	if (grown == NULL) {
		pattern_fail(compiler, compiler->at, NULL);
		return NULL;
	}
	*capacity = wanted;
	return grown;
}

/* Opens a gap of `count` instructions at a place; false: no room. */
static bool insert_gap(struct pattern_compiler *compiler, size_t place, size_t count)
{
	struct pattern_regex *regex = compiler->regex;
	struct pattern_instruction *program;

	if (compiler->failed)
		return false;
	if (regex->length + count > PATTERN_PROGRAM_MAX) {
		pattern_fail(compiler, compiler->at, "the pattern is too large");
		return false;
	}
	program = pattern_grow(compiler, regex->program, &compiler->program_capacity,
			       regex->length + count, sizeof *program);
	if (program == NULL)
		return false;
	regex->program = program;
	memmove(program + place + count, program + place,
		(regex->length - place) * sizeof *program);
	regex->length += count;
	return true;
}

void pattern_insert(struct pattern_compiler *compiler, size_t place,
		    enum pattern_operation operation, uint32_t value, size_t target)
{
	if (!insert_gap(compiler, place, 1))
		return;
	compiler->regex->program[place] = (struct pattern_instruction){
	    operation, value, (int32_t)((ptrdiff_t)target - (ptrdiff_t)place)};
}

void pattern_emit(struct pattern_compiler *compiler, enum pattern_operation operation,
		  uint32_t value)
{
	pattern_insert(compiler, compiler->regex->length, operation, value,
		       compiler->regex->length);
}

/* Repetition of what stands from `start` to the end of the program. */

void pattern_make_optional(struct pattern_compiler *compiler, size_t start)
{
	pattern_insert(compiler, start, PATTERN_SPLIT, 0, compiler->regex->length + 1);
}

void pattern_make_star(struct pattern_compiler *compiler, size_t start)
{
	pattern_insert(compiler, start, PATTERN_SPLIT, 0, compiler->regex->length + 2);
	pattern_insert(compiler, compiler->regex->length, PATTERN_JUMP, 0, start);
}

void pattern_make_plus(struct pattern_compiler *compiler, size_t start)
{
	/* Goes on, or back. */
	pattern_insert(compiler, compiler->regex->length, PATTERN_SPLIT, 0, start);
}

static void copy_part(struct pattern_compiler *compiler, size_t start, size_t length)
{
	size_t end = compiler->regex->length;

	if (insert_gap(compiler, end, length))
		memcpy(compiler->regex->program + end, compiler->regex->program + start,
		       length * sizeof *compiler->regex->program);
}

void pattern_make_repeat(struct pattern_compiler *compiler, size_t start, uint32_t least,
			 uint32_t most)
{
	size_t length = compiler->regex->length - start;
	size_t part = start;

	if (most == 0) {
		compiler->regex->length = start;
		return;
	}
	/* The part stands there once already. Copies are taken from the first, as it was. */
	for (uint32_t count = 1; count < least && !compiler->failed; count++) {
		part = compiler->regex->length;
		copy_part(compiler, start, length);
	}
	if (most == PATTERN_UNBOUNDED) {
		if (least == 0)
			pattern_make_star(compiler, part);
		else
			pattern_make_plus(compiler, part);
		return;
	}
	if (least == 0)
		pattern_make_optional(compiler, start);
	/* Each further one is optional by itself: (x{0,1}){n} is the same language. */
	for (uint32_t count = least > 0 ? least : 1; count < most && !compiler->failed; count++) {
		part = compiler->regex->length;
		copy_part(compiler, least == 0 ? start + 1 : start, length);
		pattern_make_optional(compiler, part);
	}
}
