/* SPDX-License-Identifier: MIT */
/* The hash by which the record (record.sql) finds a text. */
#ifndef PROCOBSRV_SINKS_RECORD_HASH_H
#define PROCOBSRV_SINKS_RECORD_HASH_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_HASH_KEY_SIZE 16

/*
 * SipHash-2-4 of the bytes, as texts.hash holds it. The key is that of the file: state "hash-key".
 * Who runs a program chooses its arguments, but without the key not where their hashes fall. Any
 * thread.
 */
int64_t record_hash(const uint8_t key[RECORD_HASH_KEY_SIZE], const void *bytes, size_t size);

#endif
