/* SPDX-License-Identifier: MIT */
/* Base64 of RFC 4648, with padding, of bytes that come in pieces. */
#ifndef PROCOBSRV_LIB_BASE64_H
#define PROCOBSRV_LIB_BASE64_H

#include "buffer.h"

struct base64 {
	struct buffer *buffer; /* where the text goes */
	uint32_t bits;	       /* bytes that do not make up three yet */
	unsigned count;
};

#define BASE64_INTO(buffer) ((struct base64){(buffer), 0, 0})

void base64_append(struct base64 *base64, const void *data, size_t size);
/* Writes the rest and the padding. */
void base64_finish(struct base64 *base64);

#endif
