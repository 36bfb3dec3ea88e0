/* SPDX-License-Identifier: MIT */
/* What of <string.h> the driver's portable part uses, for a compiler that has no library. */
#ifndef PROCOBSRV_TESTS_DRIVER_FREESTANDING_STRING_H
#define PROCOBSRV_TESTS_DRIVER_FREESTANDING_STRING_H

#include <stddef.h>

void *memchr(const void *memory, int byte, size_t size);
int memcmp(const void *left, const void *right, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);

#endif
