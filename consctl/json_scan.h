/* SPDX-License-Identifier: MIT */
/* Reads a line of JSON strictly (RFC 8259), without building anything of it. */
#ifndef PROCOBSRV_CONSCTL_JSON_SCAN_H
#define PROCOBSRV_CONSCTL_JSON_SCAN_H

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_type {
	JSON_OBJECT,
	JSON_ARRAY,
	JSON_STRING,
	JSON_NUMBER,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
};

/* A piece of the line, borrowed: a value as it is written there, strings without their quotes. */
struct json_piece {
	const char *text;
	size_t size;
	enum json_type type;
};

typedef void (*json_on_member)(const struct json_piece *key, const struct json_piece *value,
			       void *param);

/* Whether the line is one object and nothing else; calls on_member for each member of it, not of
 * objects inside, up to the first mistake. */
bool json_scan(const char *line, size_t size, json_on_member on_member, void *param);

typedef void (*json_on_element)(const struct json_piece *value, void *param);
/* The same for the elements of an array. */
bool json_scan_array(const char *text, size_t size, json_on_element on_element, void *param);

/* Appends what a string stands for as UTF-8. What a C string cannot hold (U+0000) and lone
 * surrogates become U+FFFD. */
void json_piece_decode(const struct json_piece *piece, struct buffer *buffer);

bool json_piece_is(const struct json_piece *piece, const char *text);
/* False: no whole number, or beyond 64 bits. */
bool json_piece_unsigned(const struct json_piece *piece, uint64_t *number);

#endif
