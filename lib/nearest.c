/* SPDX-License-Identifier: MIT */
#include "nearest.h"

#include <stdbool.h>

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

static size_t distance(const char *one, size_t one_length, const char *other, size_t other_length)
{
	size_t rows[3][NEAREST_LENGTH_MAX + 1];

	for (size_t column = 0; column <= other_length; column++)
		rows[0][column] = column;
	for (size_t row = 1; row <= one_length; row++) {
		size_t *now = rows[row % 3];
		const size_t *last = rows[(row + 2) % 3];
		const size_t *before = rows[(row + 1) % 3];

		now[0] = row;
		for (size_t column = 1; column <= other_length; column++) {
			bool same = one[row - 1] == other[column - 1];

			now[column] = least(last[column - 1] + !same,
					    least(last[column], now[column - 1]) + 1);
			if (row > 1 && column > 1 && one[row - 1] == other[column - 2] &&
			    one[row - 2] == other[column - 1])
				now[column] = least(now[column], before[column - 2] + 1);
		}
	}
	return rows[one_length % 3][other_length];
}

size_t nearest_edits(const char *one, size_t one_length, const char *other, size_t other_length)
{
	size_t shorter = least(one_length, other_length);
	size_t longer = one_length + other_length - shorter;

	if (longer > NEAREST_LENGTH_MAX)
		return SIZE_MAX;
	size_t edits = distance(one, one_length, other, other_length);
	/* A third of the word may be wrong, but never all of it. */
	bool near = edits < shorter && (edits <= 1 || edits <= longer / 3);
	return near ? edits : SIZE_MAX;
}
