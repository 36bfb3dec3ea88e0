/* SPDX-License-Identifier: MIT */
/* Finds what somebody may have meant. */
#include "consctl.h"

#include <string.h>

#define NAME_MAX_SIZE 64

static size_t least(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* How many letters to insert, remove, replace or swap with a neighbour to make one the other. */
static size_t distance(const char *one, const char *other)
{
	size_t rows[3][NAME_MAX_SIZE + 1];
	size_t one_size = strlen(one);
	size_t other_size = strlen(other);

	if (one_size > NAME_MAX_SIZE || other_size > NAME_MAX_SIZE)
		return SIZE_MAX;
	for (size_t column = 0; column <= other_size; column++)
		rows[0][column] = column;
	for (size_t row = 1; row <= one_size; row++) {
		size_t *now = rows[row % 3];
		size_t *last = rows[(row + 2) % 3];
		size_t *before = rows[(row + 1) % 3];

		now[0] = row;
		for (size_t column = 1; column <= other_size; column++) {
			bool same = one[row - 1] == other[column - 1];

			now[column] = least(last[column - 1] + !same,
					    least(last[column], now[column - 1]) + 1);
			if (row > 1 && column > 1 && one[row - 1] == other[column - 2] &&
			    one[row - 2] == other[column - 1])
				now[column] = least(now[column], before[column - 2] + 1);
		}
	}
	return rows[one_size % 3][other_size];
}

const char *nearest_name(const char *text, const char *const *names)
{
	const char *nearest = NULL;
	size_t best = SIZE_MAX;

	for (; *names; names++) {
		size_t size = strlen(text);
		size_t found = distance(text, *names);

		/* The beginning of a name is near however short it is. */
		if (size && !strncmp(text, *names, size))
			found = 1;
		/* Beyond a third of the word, the likeness is by chance. */
		if (found < best && found <= 1 + strlen(*names) / 3 && found < strlen(*names)) {
			best = found;
			nearest = *names;
		}
	}
	return nearest;
}
