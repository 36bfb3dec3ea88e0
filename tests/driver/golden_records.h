/* SPDX-License-Identifier: MIT */
/* The records of tests/golden/, made by the driver's own code. Plain C that needs no library. */
#ifndef PROCOBSRV_TESTS_DRIVER_GOLDEN_RECORDS_H
#define PROCOBSRV_TESTS_DRIVER_GOLDEN_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define GOLDEN_SIZE_MAX (160u << 10)

/* File names in tests/golden/, ended by NULL. */
extern const char *const golden_names[];

/* Writes the content of a file, by its index; returns its size, at most GOLDEN_SIZE_MAX. */
size_t golden_make(size_t index, uint8_t *bytes);

#endif
