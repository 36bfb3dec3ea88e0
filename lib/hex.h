/* SPDX-License-Identifier: MIT */
#ifndef PROCOBSRV_LIB_HEX_H
#define PROCOBSRV_LIB_HEX_H

#include <stdint.h>

/* Writes value in lower-case hexadecimal without leading zeros, no NUL; returns the end. */
static inline char *hex_append(char *end, uint64_t value)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 0;

	while (shift < 60 && value >> (shift + 4))
		shift += 4;
	for (; shift >= 0; shift -= 4)
		*end++ = digits[value >> shift & 0xf];
	return end;
}

#endif
