/* SPDX-License-Identifier: MIT */
#include "utf8.h"

/* What may stand in the second byte, by the first (table 3-7 of the Unicode standard). */
struct sequence {
	uint8_t size; /* 0: no sequence begins so */
	uint8_t second_low;
	uint8_t second_high;
};

static struct sequence sequence_of(unsigned char first)
{
	if (first >= 0xc2 && first <= 0xdf)
		return (struct sequence){2, 0x80, 0xbf};
	if (first == 0xe0)
		return (struct sequence){3, 0xa0, 0xbf};
	if (first == 0xed)
		return (struct sequence){3, 0x80, 0x9f};
	if (first >= 0xe1 && first <= 0xef)
		return (struct sequence){3, 0x80, 0xbf};
	if (first == 0xf0)
		return (struct sequence){4, 0x90, 0xbf};
	if (first >= 0xf1 && first <= 0xf3)
		return (struct sequence){4, 0x80, 0xbf};
	if (first == 0xf4)
		return (struct sequence){4, 0x80, 0x8f};
	return (struct sequence){0, 0, 0};
}

size_t utf8_decode(const char *text, size_t size, uint32_t *character)
{
	const unsigned char *bytes = (const unsigned char *)text;

	if (bytes[0] < 0x80) {
		*character = bytes[0];
		return 1;
	}

	struct sequence sequence = sequence_of(bytes[0]);
	uint32_t value;

	*character = UTF8_INVALID;
	if (sequence.size == 0 || size < 2 || bytes[1] < sequence.second_low ||
	    bytes[1] > sequence.second_high)
		return 1;
	value = (bytes[0] & (0x7fu >> sequence.size)) << 6 | (bytes[1] & 0x3f);
	for (size_t at = 2; at < sequence.size; at++) {
		if (at >= size || (bytes[at] & 0xc0) != 0x80)
			return at;
		value = value << 6 | (bytes[at] & 0x3f);
	}
	*character = value;
	return sequence.size;
}

size_t utf8_encode(char *out, uint32_t character)
{
	if (character < 0x80) {
		out[0] = (char)character;
		return 1;
	}
	if (character < 0x800) {
		out[0] = (char)(0xc0 | character >> 6);
		out[1] = (char)(0x80 | (character & 0x3f));
		return 2;
	}
	if (character < 0x10000) {
		out[0] = (char)(0xe0 | character >> 12);
		out[1] = (char)(0x80 | (character >> 6 & 0x3f));
		out[2] = (char)(0x80 | (character & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | character >> 18);
	out[1] = (char)(0x80 | (character >> 12 & 0x3f));
	out[2] = (char)(0x80 | (character >> 6 & 0x3f));
	out[3] = (char)(0x80 | (character & 0x3f));
	return 4;
}
