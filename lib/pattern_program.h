/* SPDX-License-Identifier: MIT */
/* What a regular expression is compiled to: shared by pattern_compile.c and pattern_match.c. */
#ifndef PROCOBSRV_LIB_PATTERN_PROGRAM_H
#define PROCOBSRV_LIB_PATTERN_PROGRAM_H

#include "pattern.h"

/* Most instructions of one expression: bounds what a{1000}{1000} can ask for. */
#define PATTERN_PROGRAM_MAX 4096

enum pattern_operation {
	PATTERN_CHARACTER, /* consumes `value` */
	PATTERN_ANY,	   /* consumes any one */
	PATTERN_SET,	   /* consumes one of the set number `value` */
	PATTERN_SPLIT,	   /* goes on at the next instruction, and `jump` from here */
	PATTERN_JUMP,	   /* goes on `jump` from here */
	PATTERN_ASSERT,	   /* goes on if an enum pattern_assertion (`value`) holds */
	PATTERN_MATCH,
};

enum pattern_assertion {
	PATTERN_BEGIN,
	PATTERN_END,
	PATTERN_BOUNDARY,
	PATTERN_NO_BOUNDARY,
	PATTERN_WORD_BEGIN,
	PATTERN_WORD_END,
};

struct pattern_instruction {
	uint32_t operation; /* enum pattern_operation */
	uint32_t value;
	int32_t jump; /* relative, so that a run of instructions can be moved and copied */
};

struct pattern_range {
	uint32_t first;
	uint32_t last;
};

struct pattern_set {
	size_t first_range; /* index into ranges */
	size_t range_count;
	bool negated;
};

struct pattern_regex {
	struct pattern_instruction *program;
	size_t length;
	struct pattern_range *ranges;
	size_t range_count;
	struct pattern_set *sets;
	size_t set_count;
	bool ignore_case; /* characters of the program are in lower case then */
	bool anchored;	  /* can match at the beginning of the text only */
	bool first[256];  /* bytes with which a match can begin; all, if it can be empty */

	/* Where matching is. Each list has room for every instruction. */
	uint32_t *lists;   /* the memory of the four */
	uint32_t *waiting; /* instructions to go on with at the next character */
	uint32_t *next;
	uint32_t *stack;
	uint32_t *visited; /* the step in which an instruction was seen last */
	size_t waiting_count;
	uint32_t step;
	uint32_t previous; /* character; PATTERN_NONE at the beginning */
	bool matched;
};

#define PATTERN_NONE 0xffffffffu /* before the first and after the last character */

static inline uint32_t pattern_lower(uint32_t character)
{
	return character >= 'A' && character <= 'Z' ? character + ('a' - 'A') : character;
}

/* Whether an instruction that consumes takes this character. */
bool pattern_takes(const struct pattern_regex *regex, const struct pattern_instruction *instruction,
		   uint32_t character);

#endif
