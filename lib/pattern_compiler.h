/* SPDX-License-Identifier: MIT */
/* What the parts of the compiler of regular expressions share. */
#ifndef PROCOBSRV_LIB_PATTERN_COMPILER_H
#define PROCOBSRV_LIB_PATTERN_COMPILER_H

#include "pattern_program.h"

#include <string.h>

struct pattern_compiler {
	const char *text;
	size_t size;
	size_t at;
	unsigned depth;
	struct pattern_regex *regex;
	size_t program_capacity;
	size_t range_capacity;
	size_t set_capacity;
	const char *wrong; /* static text; the first thing that went wrong */
	bool failed;
	size_t wrong_at;
};

/* Notes what is wrong, unless something is already: all that follows does nothing then. */
void pattern_fail(struct pattern_compiler *compiler, size_t offset, const char *what);

/* An array with room for `count` elements of `size` bytes; NULL: out of memory. */
void *pattern_grow(struct pattern_compiler *compiler, void *array, size_t *capacity, size_t count,
		   size_t size);

/* Puts an instruction at a place of the program; its jump leads to `target`. */
void pattern_insert(struct pattern_compiler *compiler, size_t place,
		    enum pattern_operation operation, uint32_t value, size_t target);
void pattern_emit(struct pattern_compiler *compiler, enum pattern_operation operation,
		  uint32_t value);
void pattern_emit_character(struct pattern_compiler *compiler, uint32_t character);

/* Repeat what stands from `start` to the end of the program. */
void pattern_make_optional(struct pattern_compiler *compiler, size_t start);
void pattern_make_star(struct pattern_compiler *compiler, size_t start);
void pattern_make_plus(struct pattern_compiler *compiler, size_t start);
#define PATTERN_UNBOUNDED UINT32_MAX
void pattern_make_repeat(struct pattern_compiler *compiler, size_t start, uint32_t least,
			 uint32_t most);

/* What follows a bracket, and what follows a backslash. */
void pattern_parse_set(struct pattern_compiler *compiler);
void pattern_parse_escaped(struct pattern_compiler *compiler);

static inline bool pattern_at_end(const struct pattern_compiler *compiler)
{
	return compiler->failed || compiler->at >= compiler->size;
}

static inline bool pattern_is_next(const struct pattern_compiler *compiler, char character)
{
	return !pattern_at_end(compiler) && compiler->text[compiler->at] == character;
}

static inline bool pattern_starts_with(const struct pattern_compiler *compiler, const char *text)
{
	size_t length = strlen(text);

	return !compiler->failed && compiler->size - compiler->at >= length &&
	       memcmp(compiler->text + compiler->at, text, length) == 0;
}

static inline uint32_t pattern_take(struct pattern_compiler *compiler)
{
	uint32_t character;

	compiler->at += pattern_decode(compiler->text + compiler->at, compiler->size - compiler->at,
				       &character);
	return character;
}

#endif
