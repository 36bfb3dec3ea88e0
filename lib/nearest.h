/* SPDX-License-Identifier: MIT */
/* What somebody may have meant by a word that is not known. */
#ifndef PROCOBSRV_LIB_NEAREST_H
#define PROCOBSRV_LIB_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#define NEAREST_LENGTH_MAX 64

/*
 * How many letters to insert, remove, replace or swap with a neighbour to make one word the other;
 * SIZE_MAX: so many that the likeness is by chance, or a word is longer than NEAREST_LENGTH_MAX.
 */
size_t nearest_edits(const char *one, size_t one_length, const char *other, size_t other_length);

#endif
