/* SPDX-License-Identifier: MIT */
/* A set of strings, each of which has a number from 0 in the order in which it came. */
#ifndef PROCOBSRV_TESTS_LIVE_NAMES_H
#define PROCOBSRV_TESTS_LIVE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAMES_NONE ((size_t)-1)

struct names;

/* Ends the program when out of memory, as everything here does. */
struct names *names_create(void);
void names_free(struct names *names);

/* The number of `text`, which is copied and added if it is new. */
size_t names_add(struct names *names, const char *text, bool *added);
/* The number of `text`, or NAMES_NONE. */
size_t names_find(const struct names *names, const char *text);
size_t names_count(const struct names *names);

/* realloc() and calloc() for tests: they do not return without memory. */
void *must_grow(void *memory, size_t count, size_t size);
void *must_allocate(size_t count, size_t size);

#endif
