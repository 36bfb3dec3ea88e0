/* SPDX-License-Identifier: MIT */
/* Numbers and times as text, written straight into memory that the caller has made room in. */
#ifndef PROCOBSRV_LIB_TEXT_NUMBER_H
#define PROCOBSRV_LIB_TEXT_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TEXT_NUMBER_SIZE 20 /* most bytes of a 64-bit number, the sign included */
#define TEXT_TIME_SIZE	 30 /* bytes of 2026-11-22T06:13:00.123456789Z */

extern const char text_digit_pairs[200]; /* "00" to "99" */

static inline unsigned text_digit_count(uint64_t value)
{
	unsigned count = 1;

	for (; value >= 10000; value /= 10000)
		count += 4;
	return count + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Writes `value` in decimal; returns the place after it. Inline: every event has a dozen. */
static inline char *text_write_unsigned(char *out, uint64_t value)
{
	char *end = out + text_digit_count(value);
	char *first = end;

	while (value >= 100) {
		first -= 2;
		memcpy(first, text_digit_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10)
		memcpy(out, text_digit_pairs + value * 2, 2);
	else
		*out = (char)('0' + value);
	return end;
}

/* Exactly `width` digits, with leading zeros; what does not fit is cut at the left. */
static inline char *text_write_padded(char *out, uint32_t value, unsigned width)
{
	for (unsigned at = width; at > 0; at--) {
		out[at - 1] = (char)('0' + value % 10);
		value /= 10;
	}
	return out + width;
}

#define TEXT_SECOND_SIZE 19 /* bytes of 2026-11-22T06:13:00 */
/* Seconds since 1970 as such a text, in UTC; of the years 0000 to 9999. */
void text_write_second(char *out, int64_t second);
/* The other way round; what follows is not looked at. False: it is no such time. */
bool text_read_second(const char *text, int64_t *second);

/* RFC 3339 in UTC with nine digits of a second: TEXT_TIME_SIZE bytes. */
char *text_write_time(char *out, int64_t wall_ns);

#endif
