/* SPDX-License-Identifier: MIT */
/* CRC-32 as zlib, gzip and PNG have it (polynomial 0x04c11db7, reflected). */
#ifndef PROCOBSRV_LIB_CHECKSUM_H
#define PROCOBSRV_LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues `checksum` (0 at the beginning) over the bytes. Any thread. */
uint32_t checksum_add(uint32_t checksum, const void *data, size_t size);

#endif
