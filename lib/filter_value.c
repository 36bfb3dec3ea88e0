/* SPDX-License-Identifier: MIT */
/* Literals of match expressions: quoted strings, bare words, and numbers among both. */
#include "filter_program.h"

#include <stdlib.h>
#include <string.h>

struct suffix {
	const char *text;
	uint64_t factor;
};

/* Times in nanoseconds, sizes in bytes. */
static const struct suffix suffixes[] = {
    {"", 1},
    {"ns", 1},
    {"us", 1000},
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", UINT64_C(60) * 1000000000},
    {"h", UINT64_C(3600) * 1000000000},
    {"d", UINT64_C(86400) * 1000000000},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

static int digit_value(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	if (character >= 'a' && character <= 'f')
		return character - 'a' + 10;
	if (character >= 'A' && character <= 'F')
		return character - 'A' + 10;
	return 16;
}

/* Digits from *at on; false: there are none, or too many. */
static bool read_digits(const char *text, size_t size, size_t *at, unsigned base, uint64_t *number)
{
	size_t first = *at;
	uint64_t value = 0;

	for (; *at < size && (unsigned)digit_value(text[*at]) < base; ++*at) {
		unsigned digit = (unsigned)digit_value(text[*at]);

		if (value > (UINT64_MAX - digit) / base)
			return false;
		value = value * base + digit;
	}
	*number = value;
	return *at > first;
}

static const struct suffix *find_suffix(const char *text, size_t size)
{
	for (size_t at = 0; at < sizeof suffixes / sizeof suffixes[0]; at++) {
		if (strlen(suffixes[at].text) == size && memcmp(suffixes[at].text, text, size) == 0)
			return &suffixes[at];
	}
	return NULL;
}

/* ".25" of a factor; digits beyond what it can tell are dropped. False: it is no fraction. */
static bool read_fraction(const char *text, size_t size, size_t *at, uint64_t *digits,
			  uint64_t *scale)
{
	size_t first = ++*at;

	*digits = 0;
	*scale = 1;
	for (; *at < size && text[*at] >= '0' && text[*at] <= '9'; ++*at) {
		if (*scale < 1000000) {
			*digits = *digits * 10 + (uint64_t)(text[*at] - '0');
			*scale *= 10;
		}
	}
	return *at > first;
}

/* -12, 0x1f, 5ms, 1.5s, 10M */
static bool read_number(const char *text, size_t size, struct filter_value *value)
{
	const struct suffix *suffix;
	uint64_t fraction = 0;
	uint64_t scale = 1;
	uint64_t number;
	size_t at = 0;

	value->negative = size > 0 && text[0] == '-';
	at += value->negative;
	if (size - at > 2 && text[at] == '0' && (text[at + 1] == 'x' || text[at + 1] == 'X')) {
		at += 2;
		return read_digits(text, size, &at, 16, &value->number) && at == size;
	}
	if (!read_digits(text, size, &at, 10, &number))
		return false;
	if (at < size && text[at] == '.' && !read_fraction(text, size, &at, &fraction, &scale))
		return false;
	suffix = find_suffix(text + at, size - at);
	if (suffix == NULL || number > UINT64_MAX / suffix->factor - (scale > 1) ||
	    (scale > 1 && suffix->factor == 1))
		return false;
	value->number = number * suffix->factor;
	if (scale > 1) {
		/* Without overflow: a fraction of the thousandth part is enough for days. */
		uint64_t part = suffix->factor / scale * fraction;

		value->number += part + suffix->factor % scale * fraction / scale;
	}
	return true;
}

static void look_for_number(struct filter_value *value)
{
	value->is_number = read_number(value->text, value->size, value);
	if (value->is_number && value->number == 0)
		value->negative = false;
}

static int hex_pair(const char *text, size_t size)
{
	if (size < 2 || digit_value(text[0]) > 15 || digit_value(text[1]) > 15)
		return -1;
	return digit_value(text[0]) * 16 + digit_value(text[1]);
}

/*
 * Reads what a backslash begins. Escapes that strings do not have keep their backslash: "\." and
 * "\d" reach a pattern as they are.
 */
static size_t read_escape(struct filter_parser *parser, const char *text, size_t size,
			  struct filter_value *value)
{
	static const char names[] = "ntr\"'";
	static const char meanings[] = "\n\t\r\"'";
	const char *name = size > 1 ? memchr(names, text[1], strlen(names)) : NULL;

	if (name != NULL) {
		value->text[value->size++] = meanings[name - names];
		return 2;
	}
	if (size > 1 && text[1] == 'x') {
		int byte = hex_pair(text + 2, size - 2);

		if (byte <= 0) {
			filter_fail(parser, (size_t)(text - parser->text),
				    byte == 0 ? "no text can hold a NUL"
					      : "\\x needs two hexadecimal digits");
			return 1;
		}
		value->text[value->size++] = (char)byte;
		return 4;
	}
	value->text[value->size++] = '\\';
	if (size > 1 && text[1] == '\\')
		return 2;
	return 1;
}

/* A string in quotes of either kind. */
static bool parse_quoted(struct filter_parser *parser, struct filter_value *value)
{
	size_t place = parser->at;
	char quote = parser->text[parser->at++];

	while (parser->at < parser->size && parser->text[parser->at] != quote) {
		const char *text = parser->text + parser->at;

		if (text[0] == '\\') {
			parser->at += read_escape(parser, text, parser->size - parser->at, value);
		} else {
			value->text[value->size++] = text[0];
			parser->at++;
		}
	}
	if (parser->error != 0)
		return false;
	if (parser->at >= parser->size) {
		filter_fail(parser, place, "this quote is not closed");
		return false;
	}
	parser->at++;
	return true;
}

static bool is_bare(char character)
{
	return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
	       (character >= '0' && character <= '9') || (character & 0x80) != 0 ||
	       (character != 0 && strchr("_./:@%+*?-^$[]{}~#\\", character) != NULL);
}

static bool is_reserved(const char *text, size_t size)
{
	static const char *const words[] = {"and", "or", "not", "in"};

	for (size_t at = 0; at < sizeof words / sizeof words[0]; at++) {
		if (strlen(words[at]) == size && memcmp(words[at], text, size) == 0)
			return true;
	}
	return false;
}

static bool parse_bare(struct filter_parser *parser, struct filter_value *value)
{
	size_t place = parser->at;

	/* An equal sign may be in a word (LANG=C), not begin it (a == = is a slip). */
	while (parser->at < parser->size && (is_bare(parser->text[parser->at]) ||
					     (value->size > 0 && parser->text[parser->at] == '=')))
		value->text[value->size++] = parser->text[parser->at++];
	if (value->size == 0) {
		filter_fail(parser, place,
			    place < parser->size
				? "a value is expected here (in quotes, if it has such characters)"
				: "a value is expected here");
		return false;
	}
	if (is_reserved(value->text, value->size)) {
		filter_fail(parser, place,
			    "a value is expected here (a word of the language goes in quotes)");
		return false;
	}
	return true;
}

bool filter_parse_value(struct filter_parser *parser, struct filter_value *value)
{
	struct filter_value parsed = {0};
	bool quoted;
	bool fine;

	filter_skip_spaces(parser);
	quoted = parser->at < parser->size &&
		 (parser->text[parser->at] == '"' || parser->text[parser->at] == '\'');
	parsed.text = parser->scratch;
	fine = quoted ? parse_quoted(parser, &parsed) : parse_bare(parser, &parsed);
	if (!fine)
		return false;
	look_for_number(&parsed);

	parsed.text = malloc(parsed.size + 1);
	if (parsed.text == NULL) {
		filter_fail_memory(parser);
		return false;
	}
	memcpy(parsed.text, parser->scratch, parsed.size);
	parsed.text[parsed.size] = 0;
	*value = parsed;
	return true;
}
