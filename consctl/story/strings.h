/* SPDX-License-Identifier: MIT */
/* Strings stored once: equal texts have equal addresses. */
#ifndef PROCOBSRV_CONSCTL_STORY_STRINGS_H
#define PROCOBSRV_CONSCTL_STORY_STRINGS_H

#include <stddef.h>

struct strings_block;

struct strings {
	const char **slots; /* a hash table with open addressing; NULL: free */
	size_t capacity;    /* a power of two, or 0 */
	size_t count;
	struct strings_block *blocks; /* where the texts lie */
};

#define STRINGS_EMPTY ((struct strings){0})

/* The one copy of text, valid until strings_free(). NULL: text is NULL, or out of memory. */
const char *strings_add(struct strings *strings, const char *text);
/* The number of a text that strings_add() returned: from 0, in the order of their coming. */
size_t strings_number(const char *text);
void strings_free(struct strings *strings);

#endif
