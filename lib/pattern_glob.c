/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include "utf8.h"

size_t pattern_decode(const char *text, size_t size, uint32_t *character)
{
	size_t taken = utf8_decode(text, size, character);

	if (*character != UTF8_INVALID)
		return taken;
	*character = PATTERN_BYTE + (unsigned char)text[0];
	return 1;
}

/* Reads a character that a backslash may precede. */
static size_t decode_escaped(const char *glob, size_t size, uint32_t *character)
{
	if (glob[0] == '\\' && size > 1)
		return 1 + pattern_decode(glob + 1, size - 1, character);
	return pattern_decode(glob, size, character);
}

/*
 * A set, from its bracket on; returns its size, 0 if the bracket is not closed and so stands for
 * itself.
 */
static size_t match_set(const char *set, size_t size, uint32_t character, bool *matches)
{
	size_t at = 1;
	bool negated = size > 1 && (set[1] == '!' || set[1] == '^');
	bool found = false;
	size_t first;

	at += negated;
	first = at;
	while (at < size && (set[at] != ']' || at == first)) {
		uint32_t low;
		uint32_t high;

		at += decode_escaped(set + at, size - at, &low);
		high = low;
		if (at + 1 < size && set[at] == '-' && set[at + 1] != ']')
			at += 1 + decode_escaped(set + at + 1, size - at - 1, &high);
		found |= character >= low && character <= high;
	}
	if (at >= size)
		return 0;
	*matches = found != negated;
	return at + 1;
}

/* Matches one item of the glob, not a star; returns its size, 0 if it does not match. */
static size_t match_item(const char *glob, size_t size, uint32_t character)
{
	uint32_t wanted;
	size_t taken;

	if (glob[0] == '?')
		return 1;
	if (glob[0] == '[') {
		bool matches;

		taken = match_set(glob, size, character, &matches);
		if (taken > 0)
			return matches ? taken : 0;
	}
	taken = decode_escaped(glob, size, &wanted);
	return wanted == character ? taken : 0;
}

/*
 * When an item does not match, the last star takes one character more; an earlier star never has
 * to, so that time is at most the product of the two sizes.
 */
bool pattern_glob_match(const char *glob, size_t glob_size, const char *text, size_t size)
{
	size_t at = 0;
	size_t text_at = 0;
	size_t after_star = 0;
	size_t star_text = 0;
	bool star = false;

	while (text_at < size) {
		uint32_t character;
		size_t taken = pattern_decode(text + text_at, size - text_at, &character);
		size_t item = 0;

		if (at < glob_size && glob[at] == '*') {
			star = true;
			after_star = ++at;
			star_text = text_at;
			continue;
		}
		if (at < glob_size)
			item = match_item(glob + at, glob_size - at, character);
		if (item > 0) {
			at += item;
			text_at += taken;
		} else if (star) {
			star_text += pattern_decode(text + star_text, size - star_text, &character);
			text_at = star_text;
			at = after_star;
		} else {
			return false;
		}
		if (star && after_star == glob_size)
			return true;
	}
	while (at < glob_size && glob[at] == '*')
		at++;
	return at == glob_size;
}
