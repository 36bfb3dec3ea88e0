/* SPDX-License-Identifier: MIT */
/* What a match expression is compiled to: shared by the filter*.c files. */
#ifndef PROCOBSRV_LIB_FILTER_PROGRAM_H
#define PROCOBSRV_LIB_FILTER_PROGRAM_H

#include "fields.h"
#include "filter.h"
#include "pattern.h"

enum filter_operator {
	FILTER_IS_TRUE, /* a boolean field by itself */
	FILTER_EQUAL,
	FILTER_NOT_EQUAL,
	FILTER_LESS,
	FILTER_LESS_OR_EQUAL,
	FILTER_GREATER,
	FILTER_GREATER_OR_EQUAL,
	FILTER_GLOB,
	FILTER_REGEX,
	FILTER_IN,
	FILTER_NOT_IN,
};

/* A literal. Its text is always there; what it means otherwise depends on what it looks like. */
struct filter_value {
	char *text; /* owned; also ended by NUL */
	size_t size;
	bool is_number;
	bool negative; /* number is the amount below 0 */
	uint64_t number;
};

/* One comparison. */
struct filter_test {
	const struct field *field;
	enum field_section section;
	enum filter_operator operator;
	struct filter_value *values; /* owned; more than one for FILTER_IN and FILTER_NOT_IN */
	size_t value_count;
	struct pattern_regex *regex;	 /* owned; FILTER_REGEX */
	const struct field *other_field; /* a number is compared with this field; or NULL */
	enum field_section other_section;
};

/*
 * Steps run in order over one result. Jumps go forward only, so that a match ends, and their depth
 * is no matter, so that no expression exhausts the stack.
 */
enum filter_step_kind {
	FILTER_TEST,	      /* result = test number `operand` */
	FILTER_NOT,	      /* result = !result */
	FILTER_JUMP_IF_TRUE,  /* to step number `operand` */
	FILTER_JUMP_IF_FALSE, /* to step number `operand` */
};

struct filter_step {
	enum filter_step_kind kind;
	size_t operand;
};

struct filter {
	struct filter_test *tests;
	size_t test_count;
	size_t test_capacity;
	struct filter_step *steps;
	size_t step_count;
	size_t step_capacity;
	uint32_t kinds;
};

/* Where a parser is. After a failure it is at the end, and everything it does has no effect. */
struct filter_parser {
	const char *text;
	size_t size;
	size_t at;
	unsigned depth;
	struct filter *filter;
	char *scratch; /* as large as the expression: for a value while it is read */
	int error;     /* 0, or what filter_compile() will return; error_set() was called */
};

/* Fails with error EXPRESSION at a place: says what, where, and shows it. */
void filter_fail(struct filter_parser *parser, size_t offset, const char *format, ...)
    __attribute__((format(PRINTF_FORMAT, 3, 4)));
void filter_fail_memory(struct filter_parser *parser);

/* Copies at most `size` bytes for a message: controls become ?, the end is cut. */
#define FILTER_QUOTE_SIZE 64
const char *filter_quote(char quote[FILTER_QUOTE_SIZE], const char *text, size_t size);

void filter_skip_spaces(struct filter_parser *parser);
/* Letters, digits, dots and underscores from here on. */
size_t filter_word_length(const struct filter_parser *parser);
bool filter_is_word(const struct filter_parser *parser, const char *word);

/* Reads a literal: quoted, or a bare word. False: it failed. On success value->text is owned. */
bool filter_parse_value(struct filter_parser *parser, struct filter_value *value);
void filter_free_value(struct filter_value *value);

/* One comparison or boolean field, from its field's name on; false: it failed. */
bool filter_parse_test(struct filter_parser *parser, struct filter_test *test);
void filter_free_test(struct filter_test *test);

/* Whether the test holds for this event. */
bool filter_test_matches(const struct filter_test *test, const struct procobsrv_event *event);

#endif
