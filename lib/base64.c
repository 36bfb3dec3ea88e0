/* SPDX-License-Identifier: MIT */
#include "base64.h"

static void append_bits(struct base64 *base64, unsigned characters)
{
	static const char alphabet[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buffer *buffer = base64->buffer;
	uint32_t bits = base64->bits;

	base64->bits = 0;
	base64->count = 0;
	if (!buffer_reserve(buffer, 4))
		return;
	char *out = buffer->data + buffer->size;

	for (unsigned at = 0; at < 4; at++)
		out[at] = at < characters ? alphabet[bits >> (18 - 6 * at) & 0x3f] : '=';
	buffer->size += 4;
}

void base64_append(struct base64 *base64, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t at = 0; at < size; at++) {
		base64->bits |= (uint32_t)bytes[at] << (16 - 8 * base64->count);
		if (++base64->count == 3)
			append_bits(base64, 4);
	}
}

void base64_finish(struct base64 *base64)
{
	if (base64->count > 0)
		append_bits(base64, base64->count + 1);
}
