/* SPDX-License-Identifier: MIT */
/* A growing run of bytes for writers of text. */
#ifndef PROCOBSRV_LIB_BUFFER_H
#define PROCOBSRV_LIB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	char *data; /* owned; not ended by NUL */
	size_t size;
	size_t capacity;
	bool failed; /* out of memory at some time: the content is not whole */
};

#define BUFFER_EMPTY ((struct buffer){0})

/* Makes room for `more` bytes beyond size; false (and failed set) when out of memory. */
bool buffer_reserve(struct buffer *buffer, size_t more);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_character(struct buffer *buffer, char character);
void buffer_append_unsigned(struct buffer *buffer, uint64_t value);
void buffer_append_signed(struct buffer *buffer, int64_t value);
/* RFC 3339 in UTC with nine digits of a second: 2026-11-22T06:13:00.123456789Z */
void buffer_append_time(struct buffer *buffer, int64_t wall_ns);
/* Frees the memory; the buffer is empty and usable again. */
void buffer_free(struct buffer *buffer);

#endif
