/* SPDX-License-Identifier: MIT */
#include "buffer.h"

#include "text_number.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 1024

bool buffer_reserve(struct buffer *buffer, size_t more)
{
	if (more <= buffer->capacity - buffer->size)
		return true;

	/* Doubling keeps the cost of growth a constant per byte. */
	size_t capacity = buffer->capacity > 0 ? buffer->capacity : CAPACITY_FIRST;

	while (capacity - buffer->size < more) {
		if (capacity > SIZE_MAX / 2) {
			buffer->failed = true;
			return false;
		}
		capacity *= 2;
	}

	char *data = realloc(buffer->data, capacity);

	if (data == NULL) {
		buffer->failed = true;
		return false;
	}
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	if (size == 0 || !buffer_reserve(buffer, size))
		return;
	memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text));
}

void buffer_append_character(struct buffer *buffer, char character)
{
	if (buffer_reserve(buffer, 1))
		buffer->data[buffer->size++] = character;
}

void buffer_append_unsigned(struct buffer *buffer, uint64_t value)
{
	if (!buffer_reserve(buffer, TEXT_NUMBER_SIZE))
		return;
	char *out = buffer->data + buffer->size;

	buffer->size += (size_t)(text_write_unsigned(out, value) - out);
}

void buffer_append_signed(struct buffer *buffer, int64_t value)
{
	if (value < 0) {
		buffer_append_character(buffer, '-');
		buffer_append_unsigned(buffer, -(uint64_t)value);
	} else {
		buffer_append_unsigned(buffer, (uint64_t)value);
	}
}

void buffer_append_time(struct buffer *buffer, int64_t wall_ns)
{
	if (!buffer_reserve(buffer, TEXT_TIME_SIZE))
		return;
	text_write_time(buffer->data + buffer->size, wall_ns);
	buffer->size += TEXT_TIME_SIZE;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = BUFFER_EMPTY;
}
