/* SPDX-License-Identifier: MIT */
/* What a block looks like: checked here, whoever reads it. */
#include "checksum.h"
#include "spill.h"

_Static_assert(sizeof(struct source_record) >= sizeof(struct spill_entry),
	       "entries grow where they lie");

bool spill_block_header_valid(const struct spill_block_header *header)
{
	return header->magic == SPILL_BLOCK_MAGIC && header->size % 8 == 0 &&
	       header->size > sizeof(*header) && header->size <= SPILL_BLOCK_MAX &&
	       header->count > 0 &&
	       header->count <= (header->size - sizeof(*header)) /
				    (sizeof(struct spill_entry) + sizeof(struct record_header));
}

static uint32_t block_checksum(const struct spill_block_header *header, const void *payload,
			       size_t size)
{
	struct spill_block_header bare = *header;

	bare.checksum = 0;
	return checksum_add(checksum_add(0, &bare, sizeof(bare)), payload, size);
}

size_t spill_block_open(const struct spill_block_header *header, void *memory)
{
	size_t payload_size = header->size - sizeof(*header);
	char *payload = (char *)memory + SPILL_MEMORY_OFFSET(header);
	size_t table_size = header->count * sizeof(struct spill_entry);
	size_t data_size = payload_size - table_size;
	char *data = payload + table_size;

	if (block_checksum(header, payload, payload_size) != header->checksum)
		return 1;
	/*
	 * The last entry of the table ends where the last of the array will: going forward, an
	 * array entry never reaches a table entry that has not been read.
	 */
	for (size_t i = 0; i < header->count; i++) {
		struct spill_entry entry;
		struct source_record record = {0};

		memcpy(&entry, payload + i * sizeof(entry), sizeof(entry));
		if (entry.offset % 8 || entry.offset > data_size ||
		    entry.size < sizeof(struct record_header) || entry.size > RECORD_SIZE_MAX ||
		    entry.size > data_size - entry.offset)
			return i * sizeof(entry) + 1;
		record.data = data + entry.offset;
		record.size = entry.size;
		record.position = entry.position;
		memcpy((char *)memory + i * sizeof(record), &record, sizeof(record));
	}
	return 0;
}
