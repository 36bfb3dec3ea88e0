/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include "os.h"

#include <string.h>

uint32_t ring_size(uint64_t wanted)
{
	uint32_t size = RING_SIZE_MIN;

	if (wanted == 0)
		return RING_SIZE_DEFAULT;
	while (size < wanted && size < RING_SIZE_MAX)
		size *= 2;
	return size;
}

void ring_init(struct ring *ring, void *bytes, uint32_t size, uint64_t stream)
{
	memset(ring, 0, sizeof *ring);
	ring->bytes = bytes;
	ring->size = size;
	ring->stream = stream ? stream : 1;
}

/* How many of `size` bytes at a position lie before the end of the memory. */
static uint32_t before_end(const struct ring *ring, uint32_t offset, uint32_t size)
{
	uint32_t left = ring->size - offset;

	return size < left ? size : left;
}

static uint32_t offset_of(const struct ring *ring, uint64_t position)
{
	return (uint32_t)position & (ring->size - 1);
}

static void evict_oldest(struct ring *ring)
{
	struct record_header header;

	ring_read_header(ring, ring->tail, &header);
	ring->evicted[RECORD_LOST_INDEX(header.kind)]++;
	ring->tail += header.size;
}

void ring_reserve(struct ring *ring, uint32_t size)
{
	while (ring->size - (ring->head - ring->tail) < size)
		evict_oldest(ring);
}

void ring_write(struct ring *ring, uint64_t position, const void *data, uint32_t size)
{
	uint32_t offset = offset_of(ring, position);
	uint32_t first = before_end(ring, offset, size);

	memcpy(ring->bytes + offset, data, first);
	memcpy(ring->bytes, (const uint8_t *)data + first, size - first);
}

void ring_write_pageable(struct ring *ring, uint64_t position, const void *data, uint32_t size)
{
	uint32_t offset = offset_of(ring, position);
	uint32_t first = before_end(ring, offset, size);

	os_copy_pageable(ring->bytes + offset, data, first);
	if (size > first)
		os_copy_pageable(ring->bytes, (const uint8_t *)data + first, size - first);
}

void ring_commit(struct ring *ring, enum record_kind kind, uint32_t size)
{
	ring->written[RECORD_LOST_INDEX(kind)]++;
	ring->number++;
	ring->head += size;
}

void ring_read(const struct ring *ring, uint64_t position, void *data, uint32_t size)
{
	uint32_t offset = offset_of(ring, position);
	uint32_t first = before_end(ring, offset, size);

	memcpy(data, ring->bytes + offset, first);
	memcpy((uint8_t *)data + first, ring->bytes, size - first);
}

void ring_read_header(const struct ring *ring, uint64_t position, struct record_header *header)
{
	ring_read(ring, position, header, sizeof *header);
}
